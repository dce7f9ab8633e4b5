//! What the standard library has no safe call for. Beside the allocator's count (`heap.rs`) the only unsafe
//! code of encke.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Raises this process's descriptor limit to the hard limit; the answer is what it is now.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the kernel to fill.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid rlimit, and the kernel only reads it.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(limit.rlim_cur)
}

/// Bytes of a page of memory.
pub fn page_bytes() -> u64 {
    // SAFETY: takes no pointer.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

/// Fills `bytes` (at most 256) from the kernel's random source.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    // SAFETY: pointer and length are those of one live slice.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // The kernel promises so few bytes whole or not at all.
    if got == bytes.len() as isize { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// A descriptor that becomes readable when SIGTERM, SIGINT or SIGHUP arrives; they do nothing else any
/// more.
pub fn signals() -> io::Result<OwnedFd> {
    // SAFETY: an all-zero sigset_t is a valid value, which `sigemptyset` makes an empty set.
    let mut signals: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `signals` is valid for all of these calls, and the descriptor that signalfd returns is new
    // and ours alone.
    unsafe {
        check(libc::sigemptyset(&mut signals))?;
        check(libc::sigaddset(&mut signals, libc::SIGTERM))?;
        check(libc::sigaddset(&mut signals, libc::SIGINT))?;
        check(libc::sigaddset(&mut signals, libc::SIGHUP))?;
        check(libc::sigprocmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut()))?;
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        Ok(OwnedFd::from_raw_fd(check(libc::signalfd(-1, &signals, flags))?))
    }
}

/// Takes the next signal from the descriptor of `signals`, if one has arrived.
pub fn next_signal(signals: &OwnedFd) -> Option<Signal> {
    // SAFETY: an all-zero signalfd_siginfo is a valid value: it is nothing but integers.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let bytes = size_of_val(&info);
    // SAFETY: the pointer is to a live value of the length given.
    let got = unsafe { libc::read(signals.as_raw_fd(), (&raw mut info).cast(), bytes) };
    if got != bytes as isize {
        return None;
    }
    match info.ssi_signo as i32 {
        libc::SIGHUP => Some(Signal::Reload),
        _ => Some(Signal::Stop),
    }
}

/// Answers without delay (TCP_NODELAY). Set on a listener, its connections inherit it: one system call
/// instead of one for each of them.
pub fn set_no_delay(listener: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_NODELAY);
    // SAFETY: the pointer is to a live integer of the length given.
    let result = unsafe {
        libc::setsockopt(listener.as_raw_fd(), level, name, (&raw const on).cast(), length)
    };
    check(result).map(|_| ())
}

/// Lets as many connections wait to be accepted as net.core.somaxconn allows: the standard library and mio
/// ask for 128, and in a rush the kernel drops what comes beyond.
pub fn lengthen_queue(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointer. On a listening socket it sets the length alone.
    check(unsafe { libc::listen(listener.as_raw_fd(), libc::c_int::MAX) }).map(|_| ())
}

/// Makes glibc's allocator fetch pieces of this size and more from the kernel one by one, and give each back
/// when it is freed. By itself it keeps what is below 128 KiB, and raises that bound with every larger
/// piece that is freed. Another C library gets no such advice.
pub fn give_back_from(bytes: i32) {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer. A refusal leaves everything as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = bytes;
}

/// Gives back the pages between what is in use, which glibc's allocator keeps otherwise.
pub fn give_back_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it moves nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The pages of the program's own file that nobody writes to.
pub struct Program {
    ranges: Vec<Range<usize>>,
}

impl Program {
    /// Looks where they are. For this a descriptor is open for a moment.
    pub fn find() -> Program {
        let (Ok(maps), Ok(program)) =
            (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
        else {
            return Program { ranges: Vec::new() };
        };
        let ranges = maps.lines().filter_map(|line| unwritten(line, program.to_str()?)).collect();
        Program { ranges }
    }

    /// Unmaps them: from now on they are the kernel's to reuse. What is needed again is mapped again, mostly
    /// without a read from disk.
    pub fn unmap(&self) {
        for range in &self.ranges {
            // SAFETY: these pages belong to the program's file, and nobody has written to them: not code,
            // and not the constants at the file's beginning. So they are mapped again as they were.
            unsafe {
                libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED);
            }
        }
    }
}

/// The addresses of a line of proc_pid_maps(5), if it is a part of that file which even the dynamic linker
/// leaves alone: code, or constants at the beginning. What stands behind them holds addresses that it has
/// filled in.
fn unwritten(line: &str, file: &str) -> Option<Range<usize>> {
    let mut fields = line.strip_suffix(file)?.strip_suffix(' ')?.split_ascii_whitespace();
    let (addresses, access, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let is_first = offset.bytes().all(|byte| byte == b'0');
    let (start, end) = addresses.split_once('-')?;
    let is_unwritten = access == "r-xp" || access == "r--p" && is_first;
    is_unwritten.then_some(())?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_has_written_to_is_unmapped() {
        let line = |access: &str, offset: &str, file: &str| {
            format!("55fbe4851000-55fbe4ba6000 {access} {offset} fe:00 10011258    {file}")
        };
        let range = Some(0x55fb_e485_1000..0x55fb_e4ba_6000);
        let rows = [
            ("r-xp", "000cd000", "/bin/encke", range.clone()),
            ("r--p", "00000000", "/bin/encke", range),
            ("r--p", "00421000", "/bin/encke", None),
            ("rw-p", "00000000", "/bin/encke", None),
            ("r-xp", "000cd000", "/lib/libc.so.6", None),
            ("r-xp", "000cd000", "/usr/bin/encke", None),
        ];
        for (access, offset, file, expect) in rows {
            assert_eq!(unwritten(&line(access, offset, file), "/bin/encke"), expect, "{access}");
        }
        assert_eq!(
            unwritten("7ffd0000-7ffd2000 r-xp 00000000 00:00 0   [vdso]", "/bin/encke"),
            None
        );
        assert_eq!(unwritten("7f000000-7f001000 r--p 00000000 00:00 0", "/bin/encke"), None);
    }

    #[test]
    fn a_program_goes_on_without_its_pages() {
        let program = Program::find();
        assert!(!program.ranges.is_empty());
        program.unmap();
        assert_eq!("it goes on".to_owned().len(), 10);
    }
}
