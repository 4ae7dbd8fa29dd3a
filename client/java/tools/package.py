"""Installs the jars into a clean local repository, builds the sample project from there, and runs it against a server of its own.

What others made (plugins, libraries) is taken over from the usual local repository, so that nothing is fetched twice; nothing of this
project is.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent.parent
USUAL = pathlib.Path(os.environ.get("MAVEN_REPOSITORY", pathlib.Path.home() / ".m2" / "repository"))
MODULES = ["hotplate-proto", "hotplate-client", "hotplate-junit", "hotplate-spring"]


def link(source: str, target: str) -> None:
    """The same file without a copy, where the file system allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def maven(folder: pathlib.Path, repository: pathlib.Path, *arguments: str) -> None:
    command = ["mvn", "-B", "-ntp", "-q", f"-Dmaven.repo.local={repository}", *arguments]
    # The same as .mvn/jvm.config, which the sample does not have.
    environment = {"MAVEN_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1", **os.environ}
    subprocess.run(command, cwd=folder, env=environment, check=True)


def serve() -> tuple[subprocess.Popen[str], str]:
    """A server on a free port, and its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOTPLATE_")}
    server = subprocess.Popen(
        [os.environ["HOTPLATE_BIN"], "serve", "--profile", "testing", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        + ["--memory-entries-max", "10000", "--log-level", "error"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["grpc"]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hotplate-java-") as folder:
        clean = pathlib.Path(folder) / "repository"
        ignored = shutil.ignore_patterns("hotplate") if USUAL.is_dir() else None
        if USUAL.is_dir():
            shutil.copytree(USUAL, clean, copy_function=link, ignore=ignored)
        maven(HERE, clean, "-Dmaven.test.skip=true", "install", "-pl", ",".join([".", *MODULES]))
        jars = sorted(path.name for path in (clean / "hotplate").rglob("*.jar"))
        if len(jars) != len(MODULES):
            raise SystemExit(f"installed {jars}, and not one jar for each of {MODULES}")
        for path in (clean / "hotplate").rglob("*.jar"):
            if "META-INF/LICENSE" not in zipfile.ZipFile(path).namelist():
                raise SystemExit(f"{path.name} holds no license")
        project = pathlib.Path(folder) / "walkthrough"
        shutil.copytree(HERE / "samples" / "walkthrough", project, ignore=shutil.ignore_patterns("target"))
        maven(project, clean, "package")
        server, address = serve()
        try:
            environment = dict(os.environ, HOTPLATE_URL=f"hotplate://{address}/walkthrough")
            subprocess.run(["java", "-jar", "target/walkthrough.jar"], cwd=project, env=environment, check=True, timeout=120)
        finally:
            server.terminate()
            server.wait(timeout=30)
        print("installed and used:", ", ".join(jars))


if __name__ == "__main__":
    main()
