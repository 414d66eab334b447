//! A handle is returned from the scope.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let _handle = pool.scope(|s| s.submit(|| 7).unwrap());
}
