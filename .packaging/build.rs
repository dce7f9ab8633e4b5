//! The smallest binary (`--profile small`) leaves out what only a debugger would read, and packs what the
//! dynamic linker reads. Every other build is as it is.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=.packaging/without_unwinding.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let is_gnu_linux = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    // No other profile has this level.
    if !(is("OPT_LEVEL", "z") && is_gnu_linux) {
        return;
    }
    let Ok(root) = env::var("CARGO_MANIFEST_DIR") else { return };
    for argument in [
        // Addresses to be relocated, a bit each: glibc 2.36 and later.
        "-z,pack-relative-relocs",
        // Nothing is unwound: in this profile a panic aborts.
        "--no-eh-frame-hdr",
        &format!("-T,{root}/.packaging/without_unwinding.ld"),
    ] {
        println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
    }
}
