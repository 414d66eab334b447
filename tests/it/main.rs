//! The behaviour suite: one binary, one module per behaviour.

mod support;

mod admission; // what happens to a submitted job, and in what order jobs start
mod rejection; // policies, and waiting for room
mod keep_alive; // who leaves when, and who is woken
mod resize; // changes of a running pool
mod builder; // configurations, and their errors
mod factory; // threads that cannot be started
mod shutdown; // the orderly end, and waiting for it
mod shutdown_now; // the quick end, and pending jobs taken back
mod handles; // results, cancelling, joining from a worker
mod interrupt; // asking jobs to stop
mod panics; // of every piece of the user's code
mod hooks; // when they run
mod stats; // the figures
mod faults; // refused threads, unlikely panics, abrupt ends
mod model; // all of the above, against a model and by chance
mod resources; // allocations, idle CPU, threads and memory left behind
mod tidy; // the tree itself
