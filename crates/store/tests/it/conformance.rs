use std::path::Path;

use sluice_store::conformance::run;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::Store;

use crate::owner;

#[test]
fn sqlite_conforms() {
    let mut folders = Vec::new();
    run(&mut || -> Box<dyn Store> {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join(Path::new("a/b")), &owner()).unwrap();
        folders.push(folder);
        Box::new(store)
    });
}
