//! A job borrows a local of the closure, which ends before the scope does.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let _ = pool.scope(|s| {
        let local = String::new();
        let _ = s.execute(|| println!("{local}"));
    });
}
