//! Two jobs change the same local.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let mut count = 0;
    let _ = pool.scope(|s| {
        let _ = s.execute(|| count += 1);
        let _ = s.execute(|| count += 1);
    });
}
