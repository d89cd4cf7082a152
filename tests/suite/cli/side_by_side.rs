//! Several processes measure one plan: what they record together is what one would have, none of it twice, also where
//! one of them is killed.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::{Place, assert_same_records, recorded, without_times};

const OUT: &str = "featbench-report/photos";

fn start(place: &Place, arguments: &str) -> Child {
    place.command(arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// What the program says for a run that it measures, in all that it printed.
fn measured(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.contains(", seed ") && !line.contains("taken back")).count()
}

#[test]
fn four_processes_of_which_one_is_killed_record_what_one_would_have() {
    let place = Place::with_photos();
    let seeds = (0..20).map(|seed| seed.to_string()).collect::<Vec<_>>().join(",");
    let measure =
        format!("measure --dataset photos --arms majority,small-sift.toml,small-orb.toml --threads 1 --seeds {seeds}");
    let mut processes: Vec<Child> = (0..4).map(|_| start(&place, &measure)).collect();
    let mut killed = processes.remove(0);
    while recorded(&place, OUT) < 5 && killed.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    killed.kill().unwrap();
    let in_time = killed.wait().unwrap().code().is_none();
    assert!(in_time && recorded(&place, OUT) < 60, "it was killed in the middle");

    let mut runs = 0;
    for process in processes {
        let ended = process.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{said}");
        runs += measured(&said);
    }
    assert!((30..=60).contains(&runs), "{runs} runs measured by three processes");
    let last = place.run(&measure).with(0).saying(&["60 runs, 60 of them recorded"]);
    assert_eq!(measured(&last.stderr), 0);

    let mut alone = place.command(&format!("{measure} --out alone"));
    assert!(alone.env("XDG_CACHE_HOME", place.path("other-cache")).output().unwrap().status.success());
    assert_same_records(&place, OUT, "alone/photos");
    assert_eq!(place.files(OUT), place.files("alone/photos"), "no claim and no file of a run is left");
}

#[test]
fn shares_are_the_whole_plan_and_leave_what_others_recorded() {
    let place = Place::with_photos();
    let measure = "measure --dataset photos --arms majority,small-sift.toml --seeds 0,1,2";
    place.run(&format!("{measure} --shard 2/4 --dry-run")).with(0).saying(&["photos: 2 runs, 0 of them recorded"]);
    for (k, runs) in [(3, 1), (1, 2), (4, 1), (2, 2)] {
        let ended = place.run(&format!("{measure} --shard {k}/4")).with(0);
        assert_eq!(measured(&ended.stderr), runs, "{}", ended.stderr);
    }
    place.run(&format!("{measure} --out alone")).with(0);
    assert_same_records(&place, OUT, "alone/photos");
    for wrong in ["0/4", "5/4", "3"] {
        let ended = place.run(&format!("{measure} --shard {wrong}")).with(2);
        ended.saying(&["K/N with K from 1 to N, as 3/8 (where numbers start at 0, add 1)"]);
    }
    place.run(&format!("{measure} --shard 1/4 --fresh")).with(2).saying(&["cannot be used with '--fresh'"]);
}

#[test]
fn a_claim_of_another_machine_is_respected_until_it_expires() {
    let place = Place::with_photos();
    place.run("measure --dataset photos --arms majority").with(0);
    let run = &place.rows(&format!("{OUT}/runs.csv"))[0]["run_id"];
    let claim = format!("again/photos/runs/{run}.claim");
    let holder = r#"{"host":"node7","pid":1,"machine":"0123456789ab","birth":1,"started":1,"heartbeat":1}"#;
    place.write(&claim, holder);
    let again = "measure --dataset photos --arms majority,small-sift.toml --out again";
    let mut waiting = start(&place, again);
    while recorded(&place, "again/photos") < 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for node7");
    let refused = place.run(&format!("{again} --fresh")).with(2);
    refused.saying(&["process 1 on node7 is measuring into it"]);
    let file = std::fs::File::options().write(true).open(place.path(&claim)).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(301)).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert_eq!(recorded(&place, "again/photos"), 2);
    assert!(!place.path("again/photos/runs").exists());
}

#[test]
fn other_images_of_one_name_have_a_folder_of_their_own() {
    let place = Place::with_photos();
    place.draw("more/photos", 3..9);
    let run = |folder: &str| place.run(&format!("measure --dataset {folder} --arms majority")).with(0);
    run("photos");
    let before = place.files(OUT);
    let other = run("more/photos");
    let named = place.files("featbench-report").into_iter().find(|file| file.starts_with("photos-")).unwrap();
    let named = format!("featbench-report/{}", named.split('/').next().unwrap());
    other.saying(&[&format!(
        "photos: what is recorded in {OUT} is of other images and stays there; the records of these are in {named}"
    )]);
    assert_eq!(place.files(OUT), before);
    run("photos").saying(&["1 runs, 1 of them recorded"]);
    run("more/photos").saying(&["1 runs, 1 of them recorded"]);
    place
        .run("measure --dataset more/photos --arms majority --dry-run")
        .with(0)
        .saying(&["1 runs, 1 of them recorded"]);

    // both in one call, also from nothing
    let both = "report --dataset photos --dataset more/photos --arms majority";
    place.run(both).with(0).saying(&[&format!("{OUT}/report.md"), &format!("{named}/report.md")]);
    place.run(&format!("{both} --out new")).with(0);
    let of = |folder: &str| without_times(place.rows(&format!("{folder}/runs.csv")));
    assert_eq!((of("new/photos"), of(&named.replace("featbench-report", "new"))), (of(OUT), of(&named)));
    place.run(&format!("{both} --out new --fresh")).with(0).saying(&["1 runs, 0 of them recorded"]);
    assert_eq!((of("new/photos"), of(&named.replace("featbench-report", "new"))), (of(OUT), of(&named)));
}

#[test]
fn a_run_that_lost_its_place_is_taken_back() {
    let place = Place::with_photos();
    let measure = "measure --dataset photos --arms small-sift.toml";
    place.run(measure).with(0);
    let before = place.rows(&format!("{OUT}/runs.csv"));
    let settings = place.read("small-sift.toml");
    place.write("small-sift.toml", settings.replace("words = [10]", "words = [12]"));
    place.run(measure).with(0).saying(&["1 runs, 0 of them recorded"]);
    place.write("small-sift.toml", &settings);
    let again = place.run(measure).with(0).saying(&["measured with these settings before, taken back"]);
    assert_eq!(measured(&again.stderr), 0);
    assert_eq!(place.rows(&format!("{OUT}/runs.csv")), before);
    place.run("records prune featbench-report").with(0).saying(&[&format!("{OUT}: 1 superseded runs deleted")]);
    assert!(!place.path(&format!("{OUT}/superseded")).exists());
}

#[test]
fn one_damaged_folder_does_not_keep_the_others_from_their_reports() {
    let place = Place::with_photos();
    place.draw("prints", 5..10);
    place.run("measure --dataset photos --dataset prints --arms majority --out all").with(0);
    place.write("all/photos/runs.csv", "damaged");
    let ended = place.run("report --from all").with(1);
    ended.saying(&["error: all/photos: all/photos/runs.csv: column `run_id` is missing", "all/prints/report.md"]);
    place.run("report --check --from all").with(1).saying(&["all/prints: the report is what its records give"]);
    place.run("report --from all/photos").refused(&["all/photos/runs.csv: column `run_id` is missing"]);
}

#[test]
fn converted_records_have_other_ids_and_the_same_results() {
    let place = Place::with_photos();
    place.run("report --dataset photos --arms majority,small-sift.toml").with(0);
    let ids = |place: &Place| place.rows(&format!("{OUT}/runs.csv")).iter().map(|run| run["run_id"].clone()).collect();
    let before: Vec<String> = ids(&place);
    place.write("ids.csv", format!("{},new1\n{},new2\nunknown,other\n", before[0], before[1]));
    let converted = place.run("records convert featbench-report --ids ids.csv").with(0);
    converted.saying(&[&format!("{OUT}: converted, 2 runs with new ids")]);
    assert_eq!(ids(&place), ["new1", "new2"]);
    place.run("report --check --from featbench-report").with(0);
    place.write("ids.csv", "one two\n");
    place.run("records convert featbench-report --ids ids.csv").refused(&["ids.csv: line 1: `one two` is not OLD,NEW"]);
    place.run("records merge nowhere").refused(&["no records (runs.csv) in or below nowhere"]);
}
