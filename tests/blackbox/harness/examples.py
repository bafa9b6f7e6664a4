"""The example configurations, as a reader has them, and started with the addresses of a test."""

import json
import pathlib
import shutil

import yaml

from harness import configs
from harness.gateway import run_command

ROOT = pathlib.Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"


class Example:
    """A copy of the examples with what they need beside them: the files that they say the reader makes."""

    def __init__(self, name, directory):
        self.directory = pathlib.Path(directory)
        shutil.copytree(EXAMPLES, self.directory / "examples")
        self.path = self.directory / "examples" / name
        self.text = self.path.read_text(encoding="utf-8")
        self.write("../../var/users/service-token", "service-token-for-tests\n")
        self.write("../../var/shared-secret", "sixty-four characters of a secret that only this test has, as text\n")

    def write(self, name, content):
        """A file by the name that the example has for it."""
        path = self.resolve(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def resolve(self, name):
        return (self.path.parent / name).resolve()

    def check(self):
        """`lotagate check` on the file as it is."""
        return run_command("check", "-c", self.path)

    def config(self, addresses):
        """The configuration with some texts replaced, all of which it must hold, and ports of its own."""
        text = self.text
        for old, new in addresses.items():
            assert old in text, f"{old} is not in {self.path.name}"
            text = text.replace(old, new)
        config = yaml.safe_load(text)
        config["listeners"] = [{**config["listeners"][0], "address": configs.LOOPBACK}]
        config["admin"] = {"address": configs.LOOPBACK}
        for place, key in self._files(config):
            place[key] = str(self.resolve(place[key]))
        return {"workers": 1, **config}

    @staticmethod
    def _files(config):
        """Where a configuration names files: relative ones begin at the folder of the example."""
        for issuer in config.get("authentication", {}).get("issuers", []):
            if "secret_file" in issuer:
                yield issuer, "secret_file"
            if "file" in issuer.get("jwks", {}):
                yield issuer["jwks"], "file"
        if service := config.get("authorization", {}).get("user_management"):
            yield service, "token_file"
