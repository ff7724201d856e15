"""What is left out of snapshots because its name says that it holds a secret."""

import pytest
from espalier.snapshot.ignore import IgnoreRules, patterns_of
from espalier.snapshot.take import scan_source
from espalier.snapshot.wildmatch import compile_pattern

SECRET = [".env", ".ENV", ".Env", ".env.production", ".env.local", ".ENV.PRODUCTION", ".envrc", ".Renviron", ".RENVIRON", ".renviron", ".npmrc", ".NPMRC", ".pypirc", ".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".git-credentials", ".htpasswd", ".httr-oauth", ".HTTR-OAUTH", ".dockercfg", ".vault-token", "credentials.json", "Credentials.json", "CREDENTIALS.JSON", "credentials.yml", "secrets.yml", "Secrets.yml", "SECRETS.YAML", "secrets.toml", "application_default_credentials.json", "kaggle.json", "server.key", "SERVER.KEY", "Server.Key", "my.pem", "MY.PEM", "store.p12", "a.pfx", "a.ppk", "vault.kdbx", "a.jks", "id_rsa", "ID_RSA", "id_rsa.bak", "id_rsa_work", "id_ed25519", "service-account.json", "service-account-prod.json", "gcp-service-account.json", "SERVICE-ACCOUNT.JSON", "service_account.json", "client_secret_123.json", ".aws/credentials", ".AWS/CREDENTIALS", ".docker/config.json", ".kube/config", ".ssh/config", ".gnupg/x", ".secrets/token.rds"]
HARMLESS = [".env.example", ".env.sample", ".env.template", "environment.yml", "id_rsa.pub", "id_ed25519.pub", "key.R", "keys.csv", "monkey", "donkey.txt", "config.json", ".aws/config", "docker/config.json", "credentials.R", "secrets.R", "tokens.json", "service.json", "account.json", "kube/config", "pem", "p12", "Renviron", "renviron.txt", "service-account.R"]


@pytest.mark.parametrize("path", SECRET)
@pytest.mark.parametrize("above", ["", "deep/down/"])
def test_is_left_out(tmp_path, path, above):
    _make(tmp_path, above + path)
    assert _files(tmp_path) == ["train.R"]


@pytest.mark.parametrize("path", HARMLESS)
def test_is_kept(tmp_path, path):
    _make(tmp_path, path)
    assert path in _files(tmp_path)


@pytest.mark.parametrize("scanner", ["native"], indirect=True)
@pytest.mark.parametrize("path", [*SECRET, *HARMLESS])
def test_what_the_native_scanner_is_told_means_the_same(tmp_path, scanner, path):
    rules = IgnoreRules.load(str(tmp_path))
    told = {}
    for at in range(path.count("/") + 1):
        part = "/".join(path.split("/")[: at + 1])
        is_dir = part != path
        for pattern, decision in patterns_of(rules.identity):
            names_only = b"/" not in pattern.text
            matches = compile_pattern(pattern.text, names_only)
            if (is_dir or not pattern.folders_only) and matches((part.rpartition("/")[2] if names_only else part).encode()):
                told[part] = decision
        if told.get(part) and told[part].excluded:
            break
    expected = rules.decide(path, False)
    assert any(decision.excluded for decision in told.values()) == expected.excluded


def test_one_can_be_included_on_purpose(tmp_path):
    _make(tmp_path, ".env.production")
    (tmp_path / ".espalierignore").write_text("!.env.production\n")
    assert ".env.production" in _files(tmp_path)


def _make(folder, path):
    (folder / "train.R").write_text("1")
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")


def _files(folder):
    return [entry.path for entry in scan_source(str(folder), True, "refuse").files]
