#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| feedbuild_fuzz::archive(data));
