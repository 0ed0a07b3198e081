#!/usr/bin/env python3
"""Runs every command that the documentation shows, so that none of them rots.

    docs_test.py --bessemer BINARY [--list] [PAGE.md ...]      default: README.md, docs/*.md and configs/*.ini's own examples

A fenced block ```sh is run with `bash -e`, page by page from top to bottom, in a folder of its own per page that holds links to
the checkout's launch/ and configs/. An HTML comment on the line before a block changes what is run, and says why:
    <!-- test: sed s/2000/20/; shorter -->       the block goes through sed first
    <!-- test: skip; it would run this test -->  not run
Every ```sh block is run or says why not; other languages (```text, ```ini) are no commands.
"""
import argparse, glob, os, re, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BLOCK = re.compile(r"(?:<!-- test: (?P<how>[^>]*?) -->\n)?^```sh\n(?P<code>.*?)^```$", re.M | re.S)


def blocks(page):
    for match in BLOCK.finditer(open(page, encoding="utf-8").read()):
        how = (match["how"] or "").split(";")[0].strip()
        yield how, match["code"]


def scaled(how, code):
    for edit in how.split(" sed ") if how.startswith("sed ") else []:
        code = subprocess.run(["sed", "-E", edit.removeprefix("sed ")], input=code, capture_output=True, text=True, check=True).stdout
    return code


def run_page(page, binary):
    name = os.path.relpath(page, ROOT)
    script = "set -euo pipefail\n"
    for how, code in blocks(page):
        if how != "skip":
            script += scaled(how, code)
    with tempfile.TemporaryDirectory(prefix="docs-test-") as work:
        for folder in ("launch", "configs"):
            os.symlink(os.path.join(ROOT, folder), os.path.join(work, folder))
        # A page's `. launch/env.sh` puts build/cpu first on the PATH: let that be the binary under test.
        os.makedirs(os.path.join(work, "bin"))
        os.symlink(binary, os.path.join(work, "bin", "bessemer"))
        script = script.replace(". launch/env.sh", '. launch/env.sh; PATH="$PWD/bin:$PATH"')
        path = os.path.join(work, "bin") + os.pathsep + os.environ["PATH"]
        done = subprocess.run(["bash", "-x", "-c", script], cwd=work, env={**os.environ, "PATH": path, "ROOT": ROOT}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    print(f"{name}: {'ok' if done.returncode == 0 else f'FAILED with {done.returncode}'}", flush=True)
    if done.returncode:
        print(done.stdout[-6000:])
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bessemer", required=True)
    parser.add_argument("--list", action="store_true", help="show what would be run")
    parser.add_argument("pages", nargs="*")
    args = parser.parse_args()
    pages = args.pages or [os.path.join(ROOT, "README.md"), *sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))]
    if args.list:
        for page in pages:
            for how, code in blocks(page):
                print(f"# {os.path.relpath(page, ROOT)} ({how or 'as it stands'})\n{'' if how == 'skip' else scaled(how, code)}")
        return 0
    counted = sum(1 for page in pages for how, _ in blocks(page) if how != "skip")
    if not counted:
        sys.exit("no commands found in the documentation: is the ```sh marking gone?")
    good = [run_page(os.path.abspath(page), os.path.abspath(args.bessemer)) for page in pages]
    print(f"{counted} blocks of commands on {len(pages)} pages")
    return 0 if all(good) else 1


sys.exit(main())
