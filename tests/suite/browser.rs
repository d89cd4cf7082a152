//! The page in a real browser, where Chromium is installed: it opens without an error, sorts, and names the images
//! behind a cell.

use std::path::{Path, PathBuf};
use std::process::Command;

use featbench::record::Records;
use featbench::report::{self, Question};

use super::sweeps::blurred;
use super::synthetic::{empty, small};

/// Presses a column's head and a cell, and leaves what came of it in the title.
const PRESS: &str = r#"
const place = table => [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === "accuracy, %");
const table = [...document.querySelectorAll("table.sortable")].find(table => place(table) > 0 && table.tHead.textContent.includes("family"));
const column = place(table);
table.tHead.rows[0].cells[column].querySelector("button").click();
const first = table.tBodies[0].rows[0].cells[0].textContent;
document.getElementById("entry").selectedIndex = 2;
document.getElementById("entry").dispatchEvent(new Event("change"));
const entry = document.querySelector(".entry:not([hidden])");
const cell = entry.querySelector("button.w");
cell.click();
const named = entry.querySelectorAll(".images li").length;
document.title = `${first}; ${named} of ${cell.textContent}; ${document.querySelectorAll(".entry:not([hidden])").length}`;
"#;

#[test]
fn the_page_opens_without_an_error_and_answers() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium on the path");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = |records: &Records| {
        let files = report::files(records, &[], &Question::default()).unwrap();
        String::from_utf8(files.into_iter().find(|file| file.path == "report.html").unwrap().bytes).unwrap()
    };
    let pressed = page(&small()).replace("</body>", &format!("<script>{PRESS}</script></body>"));
    let (title, errors) = open(&browser, folder.path(), &pressed);
    assert_eq!(errors, "", "errors in the console");
    let (first, rest) = title.split_once("; ").unwrap_or_else(|| panic!("title {title:?}"));
    assert!(first.starts_with("resnet-frozen-svm"), "the most accurate arm stands first: {title}");
    let (named, shown) = rest.split_once("; ").unwrap();
    let (named, images) = named.split_once(" of ").unwrap();
    assert!(named == images && images != "0" && shown == "1", "a cell names its images, of one arm: {title}");

    let (title, errors) = open(&browser, folder.path(), &page(&empty(&[("circle", 3), ("square", 3)])));
    assert_eq!((title.as_str(), errors.as_str()), ("Shapes: featbench", ""), "a page without results");
    let sweep = blurred("Drawn", [90, 60, 55], [95, 90, 85]);
    let (title, errors) = open(&browser, folder.path(), &page(&sweep));
    assert_eq!((title.as_str(), errors.as_str()), ("Drawn: one factor at a time: featbench", ""), "a sweep");
    let (_, errors) = open(&browser, folder.path(), "<script>nothing.there()</script>");
    assert!(errors.contains("nothing"), "an error is seen where there is one: {errors:?}");
}

/// Title of a page after its scripts ran, and what they complained of.
fn open(browser: &Path, folder: &Path, page: &str) -> (String, String) {
    let path = folder.join("page.html");
    std::fs::write(&path, page).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .unwrap();
    let document = String::from_utf8_lossy(&output.stdout);
    let title = document.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let log = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    (title.unwrap_or_default().to_owned(), complaints.join("\n"))
}

fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&folders).flat_map(|f| names.map(|name| f.join(name))).find(|path| path.is_file())
}
