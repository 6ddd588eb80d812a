//! Locks between processes.

/// Keeps gc away from all objects while it lives.
#[derive(Debug)]
pub struct UseGuard(());

/// Keeps other processes from making the same object while it lives.
#[derive(Debug)]
pub struct ObjectLock(());

/// Keeps other processes from writing to the same profile while it lives.
#[derive(Debug)]
pub struct ProfileLock(());
