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
mod shutdown_plan; // stopping by a plan, and the report
mod group; // several pools, stopped in phases
mod handles; // results, cancelling, joining from a worker
mod awaited; // results, by asynchronous code
mod reasons; // why a job never ran
mod join_set; // results as they come
mod waits_moved; // jobs that are moved while others wait for them
mod invoke; // several jobs in one call
mod waits; // for jobs of the same pool
mod waits_limits; // their limits, and interrupts that end them
mod waits_refused; // whose threads are refused
mod deadlocks; // waits that can never end
mod waits_deep; // nested as deep as may be
mod spares; // workers in the place of those that wait
mod turns; // who waits for room, and for the start of a job
mod interrupt; // asking jobs to stop
mod interrupt_all; // asking many at once
mod interrupt_hooks; // what hooks find as the current one
mod times; // no time, and time without end
mod map; // a function called on many items
mod map_sizes; // how many items a job of `map` takes, and those that share one
mod scope; // jobs that borrow
mod scope_rejected; // those of them that are given back
mod panics; // of every piece of the user's code
mod unwinding; // pools that end while a panic unwinds
mod policy_panics; // of jobs that a policy runs or drops
mod hooks; // when they run
mod executors; // what holds for every executor
mod direct; // jobs run by their submitter
mod manual; // jobs run when told
mod thread_per_job; // jobs on a thread each
mod wrap_job; // what goes around a job, and panics that nobody receives
mod keep_until; // what is left to a pool's end
mod stats; // the figures
mod errors; // how errors, and caught panics, are passed on
mod texts; // errors, Debug and the log
mod logging; // loggers that panic, call back, or are flooded
mod running; // names, and the jobs that are being run
mod faults; // refused threads, unlikely panics, abrupt ends
mod model; // all of the above, against a model and by chance
mod resources; // allocations, idle CPU, threads and memory left behind
mod examples; // the example programs, on real files
mod tidy; // the tree itself
