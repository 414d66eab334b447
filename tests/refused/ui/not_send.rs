//! A job captures what may not leave its thread.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let count = std::rc::Rc::new(0);
    let _ = pool.scope(|s| {
        let _ = s.execute(move || drop(count));
    });
}
