"""What every comparison is made of: featbench behind a pipe, rows of samples, and turns."""
import csv
import json
import subprocess


class Featbench:
    """The program behind a pipe: one job, one answer."""

    def __init__(self, dataset, data_dir, threads):
        command = ["cargo", "run", "--quiet", "--example", "peers", "--", dataset, data_dir, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.itself = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("featbench ended; its words are above")
        return json.loads(line)

    def __call__(self, job, **settings):
        self.process.stdin.write(json.dumps({"job": job, **settings}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Record:
    """Rows of samples, in the order in which they were taken."""

    def __init__(self):
        self.rows = []

    def add(self, benchmark, subject, sample, items, seconds, check=""):
        self.rows.append((benchmark, subject, sample, items, f"{seconds:.6f}", check))

    def write(self, path):
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["benchmark", "subject", "sample", "items", "seconds", "check"])
            writer.writerows(self.rows)


def alternate(rounds, subjects):
    """Runs every subject once a round, beginning with another one each time."""
    for sample in range(rounds):
        turned = subjects[sample % len(subjects) :] + subjects[: sample % len(subjects)]
        for subject in turned:
            subject(sample)
