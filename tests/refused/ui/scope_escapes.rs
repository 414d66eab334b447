//! The scope itself is put where it outlives the call.

fn main() {
    let pool = workcrew::ThreadPoolExecutor::single().unwrap();
    let mut kept = None;
    let _ = pool.scope(|s| kept = Some(s));
    drop(kept);
}
