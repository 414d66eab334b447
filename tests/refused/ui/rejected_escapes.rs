//! A rejected job is put where it outlives the scope.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let mut kept = None;
    let _ = pool.scope(|s| kept = s.execute(|| ()).err());
    drop(kept);
}
