"""Runs the client of the suite through a gateway that is made for this one run.

    TOLLGATE_TEST_PROGRAM=tollgate through_gateway.py URL

Makes a configuration whose upstream is the URL, issues a key, starts the gateway, runs the
client on the gateway's URL and ends the gateway. The status is the client's.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

CONFIGURATION = """
[listen]
address = "127.0.0.1:0"
plaintext = "loopback"
workers = 1
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[[servers]]
name = "suite"
upstreams = ["{url}"]
[servers.tools."*"]
scopes = ["suite:all"]
[servers.prompts."*"]
scopes = ["suite:all"]
[servers.resources."**"]
scopes = ["suite:all"]
"""


def issue(program, config):
    arguments = [program, "key", "issue", "--json", "--name", "suite", "--scope", "suite:all"]
    issued = subprocess.run([*arguments, "--config", config], check=True, capture_output=True, timeout=20)
    return json.loads(issued.stdout)["key"]


def address_of(gateway):
    """Reads the log up to the line that tells the address; what follows stays in the pipe."""
    for line in gateway.stderr:
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("message") == "serving":
            return entry["address"]
    raise RuntimeError("the gateway does not serve")


def main():
    program, url = os.environ["TOLLGATE_TEST_PROGRAM"], sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "tollgate.toml")
        # A URL without a path has one on the wire.
        config.write_text(CONFIGURATION.format(url=url if url.count("/") > 2 else url + "/"))
        key = issue(program, config)
        serve = [program, "serve", "--config", config]
        gateway = subprocess.Popen(serve, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            through = f"http://{address_of(gateway)}/suite/mcp"
            client = [sys.executable, pathlib.Path(__file__).with_name("client.py"), through]
            return subprocess.run(client, env=os.environ | {"MCP_API_KEY": key}, timeout=30).returncode
        finally:
            gateway.terminate()
            try:
                gateway.wait(10)
            except subprocess.TimeoutExpired:
                gateway.kill()


if __name__ == "__main__":
    sys.exit(main())
