//! Weaker models: against brute force over their definitions, on long histories by construction, and case by
//! case.

mod agree;
mod brute;
mod build;
mod by_hand;
mod long_histories;
