//! The committed seeds keep their promises in an ordinary test run, too. In: the files of `seeds`. Out: the
//! checks of the targets, run over each.

use std::path::PathBuf;
use std::{env, fs};

fn check(target: &str, run: fn(&[u8])) {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 10, "{count} seeds");
}

#[test]
fn answers_are_filtered_as_their_second_reading_says() {
    check("answers", crate::answers::check);
}

#[test]
fn requests_are_judged_as_their_second_reading_says() {
    check("requests", crate::requests::check);
}
