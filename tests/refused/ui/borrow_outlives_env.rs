//! A borrow that came out as a result is used after what it borrows from.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let word = {
        let text = String::from("short");
        pool.scope(|s| s.submit(|| text.as_str()).unwrap().join().unwrap()).unwrap()
    };
    println!("{word}");
}
