#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| homeprov_fuzz::targets::node(bytes));
