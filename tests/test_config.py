"""The configuration: what it accepts, and that every mistake gets a sentence that names the place and the next step."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest

from holdfast import errors
from holdfast.config import Config, Route, ToolServer, load, usual_place
from holdfast.settings import schema

ROOT = Path(__file__).parent.parent
ENVIRON = {"HOME": "/home/me"}
KEY = "sk-0123456789"

FULL = """
data_dir = "~/.local/share/holdfast"

[agent]
instructions = "You are a helpful assistant."
chain = ["main"]

[routes.main]
dialect = "openai-chat"
base_url = "http://127.0.0.1:11434/v1"
model = "qwen3:8b"
api_key = "env:MY_KEY"
context_tokens = 32768
connect_timeout_s = 10
first_event_timeout_s = 120
idle_timeout_s = 120
calls_at_once_max = 4

[tools.clock]
command = ["mcp-server-time"]
env = { TZ = "UTC" }
trust_annotations = true
replay = { "some_tool" = "always" }

[web]
host = "127.0.0.1"
port = 8420
"""
A_CHAIN = 'the name of a chain, or a list of names of routes, such as ["main"]'
A_PRICE = "a table of numbers from 0 to a million, such as { input = 0.5, output = 1.5 }"
ROUTE = '[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n'
TOOL = '[tools.one]\ncommand = ["one"]\n'


class Folder:
    """A folder with a configuration in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "config.toml"

    def load(self, text: str) -> Config:
        self.file.write_text(text)
        return load(self.file, ENVIRON)

    def start(self, text: str, **environ: str) -> Config:
        return self.load(text).start({**ENVIRON, **environ})

    def refused(self, text: str, **environ: str) -> str:
        """The sentence with which this is refused, without the file's name at its beginning."""
        with pytest.raises(errors.Config) as refusal:
            self.start(text, **environ)
        sentence = str(refusal.value)
        assert sentence.startswith(str(self.file))
        assert sentence.endswith(".")
        return sentence.removeprefix(str(self.file)).removeprefix(": ")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# --- what it accepts ------------------------------------------------------------------------------------------------------------------


def test_every_name_of_the_format_is_read(folder: Folder) -> None:
    config = folder.start(FULL, MY_KEY=KEY)
    route, tool = config.routes["main"], config.tools["clock"]
    assert config.data_dir == Path("/home/me/.local/share/holdfast")
    assert (config.agent.instructions, config.agent.chain) == ("You are a helpful assistant.", ("main",))
    assert (route.dialect, route.base_url, route.model, route.context_tokens) == (
        "openai-chat",
        "http://127.0.0.1:11434/v1",
        "qwen3:8b",
        32768,
    )
    assert (route.connect_timeout_s, route.first_event_timeout_s, route.idle_timeout_s, route.calls_at_once_max) == (10, 120, 120, 4)
    assert (route.places, Route().places, Route(dialect="practice").places) == (4, 4, 64)
    assert route.api_key is not None
    assert route.api_key.value == KEY
    assert (tool.command, tool.url, tool.env, tool.trust_annotations, tool.replay) == (
        ("mcp-server-time",),
        None,
        {"TZ": "UTC"},
        True,
        {"some_tool": "always"},
    )
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8420)
    assert config.warnings == ()


def test_an_empty_file_is_the_practice_model_and_the_defaults(folder: Folder) -> None:
    config = folder.start("")
    assert config.routes == {"main": Route(dialect="practice")}
    assert config.agent.chain == ("main",)
    assert config.agent.instructions == "You are a helpful assistant."
    assert config.data_dir == Path("/home/me/.local/share/holdfast")
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8420)


def test_a_mark_at_the_beginning_of_the_file_is_no_part_of_it(folder: Folder) -> None:
    assert folder.start('\ufeff[agent]\ninstructions = "Be brief."\n').agent.instructions == "Be brief."


def test_the_defaults_are_those_of_the_full_example(folder: Folder) -> None:
    full = folder.load(FULL)
    shortened = folder.load(ROUTE)
    for name in ("dialect", "connect_timeout_s", "first_event_timeout_s", "idle_timeout_s", "places"):
        assert getattr(full.routes["main"], name) == getattr(shortened.routes["main"], name)
    assert (full.data_dir, full.agent, full.web) == (shortened.data_dir, shortened.agent, shortened.web)


def test_annotations_are_not_trusted_unless_it_is_said(folder: Folder) -> None:
    assert folder.load(TOOL).tools["one"] == ToolServer(command=("one",))
    assert not folder.load(TOOL).tools["one"].trust_annotations


def test_a_relative_path_counts_from_the_file(folder: Folder) -> None:
    (folder.path / "instructions.md").write_text("Be kind.\n")
    (folder.path / "key").write_text(KEY + "\n")
    (folder.path / "key").chmod(0o600)
    text = f'data_dir = "data"\n[agent]\ninstructions_file = "instructions.md"\n{ROUTE}api_key = "file:key"'
    config = folder.start(text)
    assert config.data_dir == folder.path / "data"
    assert config.agent.instructions == "Be kind."
    assert config.known_secrets == (KEY,)
    assert config.warnings == ()


def test_a_key_that_others_can_read_is_warned_of(folder: Folder) -> None:
    (folder.path / "key").write_text(KEY)
    (folder.path / "key").chmod(0o644)
    (warning,) = folder.start(f'{ROUTE}api_key = "file:key"').warnings
    assert warning == f"{folder.path}/key can be read by other users of this machine: chmod 600 {folder.path}/key"


def test_a_key_can_be_a_credential_of_systemd(folder: Folder) -> None:
    (folder.path / "openai").write_text(KEY)
    config = folder.start(f'{ROUTE}api_key = "credential:openai"', CREDENTIALS_DIRECTORY=str(folder.path))
    assert config.known_secrets == (KEY,)
    assert config.warnings == ()


def test_reading_the_file_needs_no_secret(folder: Folder) -> None:
    route = folder.load(f'{ROUTE}api_key = "env:NOT_SET"').routes["main"]
    assert route.api_key is not None
    assert route.api_key.reference == "env:NOT_SET"


# --- which file -----------------------------------------------------------------------------------------------------------------------


def test_the_file_is_the_named_one_else_that_of_the_environment_else_the_usual_place(tmp_path: Path) -> None:
    for name in ("named", "environment", "usual/holdfast"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.toml").write_text(f'data_dir = "/{name}"')
    usual = {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path / "usual")}
    environ = {**usual, "HOLDFAST_CONFIG": str(tmp_path / "environment/config.toml")}
    assert load(tmp_path / "named/config.toml", environ).data_dir == Path("/named")
    assert load(None, environ).data_dir == Path("/environment")
    assert load(None, usual).data_dir == Path("/usual/holdfast")


def test_the_usual_place_is_in_the_home_folder() -> None:
    assert usual_place(ENVIRON) == Path("/home/me/.config/holdfast/config.toml")
    assert usual_place({**ENVIRON, "XDG_CONFIG_HOME": "relative"}) == usual_place(ENVIRON)


def test_no_file_at_the_usual_place_means_the_defaults(tmp_path: Path) -> None:
    config = load(None, {"HOME": str(tmp_path)})
    assert config.routes["main"].dialect == "practice"
    assert config.data_dir == tmp_path / ".local/share/holdfast"


@pytest.mark.parametrize("by_environment", [True, False])
def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path, by_environment: bool) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(
        errors.Config, match=r"missing\.toml, but that fails: No such file or directory\. Create the file, or correct the path\."
    ):
        load(None, {"HOLDFAST_CONFIG": str(missing)}) if by_environment else load(missing, {})


def test_without_a_home_folder_a_path_in_it_is_an_error() -> None:
    with pytest.raises(errors.Config, match="HOME is not set"):
        load(None, {})


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"port == 3", r" is not valid TOML: .*\(at line 1, column \d+\)\. Correct that place; text stands in double quotes\."),
        (b"a = '\xff'", r"byte 5 there is not UTF-8\. Save the file as UTF-8\."),
        (b"#" * 1_000_001, r"larger than 1000000 bytes\. Make it shorter\."),
    ],
)
def test_a_file_that_can_not_be_read_says_where(folder: Folder, raw: bytes, sentence: str) -> None:
    folder.file.write_bytes(raw)
    with pytest.raises(errors.Config, match=sentence):
        load(folder.file, ENVIRON)


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(errors.Config, match="Is a directory"):
        load(tmp_path, ENVIRON)


# --- what it refuses ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('dat_dir = "x"', "there is no setting 'dat_dir' here. Did you mean 'data_dir'?"),
        ("[agnet]", "there is no setting 'agnet' here. Did you mean 'agent'?"),
        ('[agent]\nchian = ["main"]', "[agent] there is no setting 'chian' here. Did you mean 'chain'?"),
        (f'{ROUTE}api_keys = "env:A"', "[routes.main] there is no setting 'api_keys' here. Did you mean 'api_key'?"),
        (f"{TOOL}trust_anotations = true", "[tools.one] there is no setting 'trust_anotations' here. Did you mean 'trust_annotations'?"),
        (
            "[web]\nzzz = 1",
            "[web] there is no setting 'zzz' here. The settings are: host, port, url, certificate, certificate_key, behind_proxy, chain.",
        ),
    ],
)
def test_an_unknown_setting_suggests_the_nearest_name(folder: Folder, text: str, sentence: str) -> None:
    assert folder.refused(text).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[web]\nport = "8420"', "[web] port must be a whole number from 0 to 65535 (0: any free port), not the text '8420'."),
        ("[web]\nport = 65536", "[web] port must be a whole number from 0 to 65535 (0: any free port), not the number 65536."),
        ("[web]\nport = 1.5", "[web] port must be a whole number from 0 to 65535 (0: any free port), not the number 1.5."),
        ("[web]\nhost = 127", "[web] host must be text in quotes, on one line, not the number 127."),
        ("data_dir = 1979-05-27", "data_dir must be text in quotes, on one line, not a date."),
        ('data_dir = ""', "data_dir must be text in quotes, on one line, not an empty text."),
        ('data_dir = "a\\u0000b"', "data_dir must be text in quotes, on one line, not the text 'a\\x00b'."),
        ("[agent]\nchain = 3", f"[agent] chain must be {A_CHAIN}, not the number 3."),
        ("[agent]\nchain = []", f"[agent] chain must be {A_CHAIN}, not an empty list."),
        ("[agent]\nchain = [1]", f"[agent] chain must be {A_CHAIN}, but something in it is not."),
        ("[agent]\nsummaries_chain = []", f"[agent] summaries_chain must be {A_CHAIN}, not an empty list."),
        ("[chains]\nfast = 3", '[chains] fast must be a list of names of routes, such as ["main"], not the number 3.'),
        ("chains = 3", 'chains must be a table of lists, such as [chains] with fast = ["main"], not the number 3.'),
        (f"{ROUTE}price = {{ input = -1 }}", f"[routes.main] price must be {A_PRICE}, but something in it is not."),
        (f"{ROUTE}price = {{ inptu = 1 }}", f"[routes.main] price must be {A_PRICE}, but something in it is not."),
        ("[agent]\ninstructions = true", "[agent] instructions must be text in quotes, not true."),
        (
            f"{ROUTE}idle_timeout_s = 0",
            "[routes.main] idle_timeout_s must be a number of seconds above 0, and at most a day (86400), not the number 0.",
        ),
        (
            f"{ROUTE}idle_timeout_s = nan",
            "[routes.main] idle_timeout_s must be a number of seconds above 0, and at most a day (86400), not the number nan.",
        ),
        (
            f"{ROUTE}connect_timeout_s = inf",
            "[routes.main] connect_timeout_s must be a number of seconds above 0, and at most a day (86400), not the number inf.",
        ),
        ("agent = true", "agent must be a table, which begins with [agent], not true."),
        (f"{ROUTE}calls_at_once_max = 0", "[routes.main] calls_at_once_max must be a whole number from 1 to 1000, not the number 0."),
        (f"{ROUTE}context_tokens = 1", "[routes.main] context_tokens must be a whole number from 256 to 100 million, not the number 1."),
        (
            f'{ROUTE}dialect = "openai"',
            '[routes.main] dialect must be "openai-chat", "openai-responses", "anthropic" or "practice", not the text \'openai\'.',
        ),
        ('[tools.one]\ncommand = "one"', "[tools.one] command must be a list of texts, such as [\"mcp-server-time\"], not the text 'one'."),
        (f"{TOOL}env = {{ A = 1 }}", '[tools.one] env must be a table of texts, such as { TZ = "UTC" }, but something in it is not.'),
        (f'{TOOL}env = {{ "A=B" = "1" }}', '[tools.one] env must be a table of texts, such as { TZ = "UTC" }, but something in it is not.'),
        (f"{TOOL}trust_annotations = 1", "[tools.one] trust_annotations must be true or false, not the number 1."),
        (
            f'{TOOL}replay = {{ a = "sometimes" }}',
            '[tools.one] replay must be a table of "always", "never" or "ask", such as { "some_tool" = "always" }, but something in it is not.',
        ),
        ("web = 3", "web must be a table, which begins with [web], not the number 3."),
        ("routes = []", "routes must be tables, such as [routes.main], not an empty list."),
        ("[routes]\nmain = 1", "[routes] main must be a table of its own, which begins with [routes.main], not the number 1."),
        ('[routes."a b"]', "[routes] 'a b' can't be a name: use letters, digits, - and _, at most 32, and begin with a letter or digit."),
        (
            '[routes."main\\n"]',
            "[routes] 'main\\n' can't be a name: use letters, digits, - and _, at most 32, and begin with a letter or digit.",
        ),
    ],
)
def test_a_value_of_a_wrong_kind_says_what_is_expected_and_what_was_found(folder: Folder, text: str, sentence: str) -> None:
    assert folder.refused(text) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[agent]\nchain = ["mian"]',
            "[agent] chain names the route 'mian', but there is no [routes.mian]. Did you mean 'main'? The routes are: main.",
        ),
        (ROUTE.replace("main", "other"), "[agent] chain names the route 'main', but there is no [routes.main]. The routes are: other."),
        (f'[agent]\nchain = ["main", "main"]\n{ROUTE}', "[agent] chain names the route 'main' twice. Remove one of them."),
        ('[agent]\ninstructions = "a"\ninstructions_file = "b"', "[agent] has both instructions and instructions_file. Keep one of them."),
        (
            '[tools.holdfast]\ncommand = ["x"]',
            "[tools.holdfast] can't have this name: the gateway's own tools have it. Give the server another one.",
        ),
        ("[tools.one]", '[tools.one] needs exactly one of command (such as ["mcp-server-time"]) and url.'),
        (f'{TOOL}url = "http://127.0.0.1/mcp"', '[tools.one] needs exactly one of command (such as ["mcp-server-time"]) and url.'),
        (
            "[routes.main]",
            '[routes.main] base_url is missing. Write where the model\'s endpoint is, such as base_url = "http://127.0.0.1:11434/v1".',
        ),
        (
            '[routes.main]\nbase_url = "http://a/v1"',
            '[routes.main] model is missing. Write the model\'s name as the endpoint calls it, such as model = "qwen3:8b".',
        ),
        (
            '[tools.one]\ncommand = ["a"]\napi_key = "env:A"',
            "[tools.one] api_key and headers go with a url. Give a command its secrets in env.",
        ),
        (
            '[tools.one]\nurl = "http://a/mcp"\nenv = { A = "1" }',
            "[tools.one] env goes with a command. A server at a url has its own environment.",
        ),
        ('[web]\ncertificate = "a"', "[web] needs both certificate and certificate_key, or neither."),
        (
            '[web]\ncertificate = "a"\ncertificate_key = "b"\nbehind_proxy = true',
            "[web] has both a certificate and behind_proxy. Keep what is so: either this page or the proxy speaks TLS.",
        ),
        (ROUTE.replace(":1/v1", ":65536/v1"), "[routes.main] base_url names the port 65536. Ports go from 1 to 65535."),
        ('[tools.one]\nurl = "http://[::1]:99999"', "[tools.one] url names the port 99999. Ports go from 1 to 65535."),
        (
            '[tools.one]\nurl = "http://a/mcp"\napi_key = "env:A"\nheaders = { authorization = "env:B" }',
            "[tools.one] has both api_key and a header Authorization. Keep one of them.",
        ),
        ("[web]\nbehind_proxy = true", '[web] needs the url that people will use, such as url = "https://chat.example.org".'),
        (
            '[web]\nbehind_proxy = true\nurl = "http://chat.example.org"',
            '[web] needs the url that people will use, such as url = "https://chat.example.org".',
        ),
        (
            '[web]\nbehind_proxy = true\nurl = "https://example.org/chat"',
            "[web] url is 'https://example.org/chat', but the page is always at the root of its host. Write it without a path.",
        ),
        (
            '[web]\nurl = "https://chat.example.org"',
            "[web] has a url, but no TLS. Add certificate and certificate_key, or behind_proxy = true if a proxy speaks TLS.",
        ),
        (
            ROUTE.replace("/v1", "/v1/chat/completions/"),
            "[routes.main] base_url must end before /chat/completions: that is added to it. Remove the end.",
        ),
    ],
)
def test_settings_that_do_not_go_together_say_what_to_do(folder: Folder, text: str, sentence: str) -> None:
    assert folder.refused(text) == sentence


@pytest.mark.parametrize(
    "url", ["127.0.0.1:1/v1", "ftp://a/v1", "http://", "http:///v1", "http://a b/v1", "http://a/v1?key=1", "http://a/v1\\n"]
)
def test_a_base_url_that_is_none_is_refused(folder: Folder, url: str) -> None:
    sentence = folder.refused(ROUTE.replace("http://127.0.0.1:1/v1", url))
    assert sentence.startswith('[routes.main] base_url must be a URL such as "http://127.0.0.1:11434/v1"')


@pytest.mark.parametrize(("dialect", "sees"), [("openai-chat", False), ("openai-responses", True), ("anthropic", True)])
def test_a_model_is_shown_pictures_if_its_dialect_is_usually_theirs_or_the_owner_says_so(folder: Folder, dialect: str, sees: bool) -> None:
    text = f'{ROUTE}dialect = "{dialect}"'
    assert folder.start(text).routes["main"].sees is sees
    assert folder.start(f"{text}\nimages = {str(not sees).lower()}").routes["main"].sees is not sees


def test_a_tool_server_at_a_url_gets_its_key_and_headers(folder: Folder) -> None:
    text = '[tools.one]\nurl = "http://127.0.0.1:8000/mcp"\napi_key = "env:A"\nheaders = { "x-key" = "env:B" }'
    started = folder.start(text, A=KEY, B=f"{KEY}!")
    server = started.tools["one"]
    assert server.api_key and (server.url, server.api_key.value) == ("http://127.0.0.1:8000/mcp", KEY)
    assert {name: value.value for name, value in server.headers.items()} == {"x-key": f"{KEY}!"}
    assert {KEY, f"{KEY}!"} <= set(started.known_secrets)
    assert server.fingerprint != folder.start(text, A=KEY, B="another").tools["one"].fingerprint
    assert "A is not set" in folder.refused(text) or "env:A" in folder.refused(text)


def test_a_literal_header_is_refused_and_not_shown(folder: Folder) -> None:
    for headers in ('"hunter2hunter2"', '{ "x-key" = "hunter2hunter2" }'):
        sentence = folder.refused(f'[tools.one]\nurl = "http://127.0.0.1/mcp"\nheaders = {headers}')
        assert "never the key itself" in sentence
        assert "hunter2" not in sentence


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "127.0.0.1.example.org", "127.0.0.999"])
def test_a_page_that_others_could_reach_needs_tls(folder: Folder, host: str) -> None:
    text = f'[web]\nhost = "{host}"\n'
    sentence = folder.refused(text)
    assert sentence.startswith(f"[web] host is '{host}', so others could reach the page, and read along.")
    assert folder.start(f'{text}behind_proxy = true\nurl = "https://chat.example.org"').web.host == host
    started = folder.start(f'{text}certificate = "a.pem"\ncertificate_key = "/b.pem"\nurl = "https://chat.example.org"')
    assert (started.web.certificate, started.web.certificate_key) == (str(folder.path / "a.pem"), "/b.pem")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_page_may_be_at_any_address_of_this_machine(folder: Folder, host: str) -> None:
    assert folder.start(f'[web]\nhost = "{host}"').web.host == host


@pytest.mark.parametrize(("content", "end"), [(None, "No such file or directory"), (" \n", "is empty")])
def test_instructions_that_are_not_there_are_refused_at_start(folder: Folder, content: str | None, end: str) -> None:
    if content is not None:
        (folder.path / "file").write_text(content)
    assert end in folder.refused('[agent]\ninstructions_file = "file"')


# --- secrets --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [f'"{KEY}"', "17", "true", f'["{KEY}"]', '"env:"', f'"env:A\\n{KEY}"', f'"ENV:{KEY}"'])
def test_a_key_in_the_file_itself_is_refused_and_not_shown(folder: Folder, written: str) -> None:
    sentence = folder.refused(f"{ROUTE}api_key = {written}")
    assert sentence.startswith('[routes.main] api_key must be "env:NAME", "file:PATH" or "credential:NAME" (systemd), never the key itself')
    assert KEY not in sentence


def test_a_password_in_a_base_url_is_refused_and_not_shown(folder: Folder) -> None:
    sentence = folder.refused(ROUTE.replace("127.0.0.1", f"me:{KEY}@127.0.0.1"))
    assert "without user or password, not this text" in sentence
    assert KEY not in sentence


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (
            "env:MY_KEY",
            "[routes.main] api_key is env:MY_KEY, but the environment variable MY_KEY is not set. Set it where the gateway is started.",
        ),
        (
            "env:EMPTY",
            "[routes.main] api_key is env:EMPTY, but the environment variable EMPTY is not set. Set it where the gateway is started.",
        ),
        ("env:BLANK", "[routes.main] api_key is env:BLANK, which is empty or more than one line. Put the key there, alone on one line."),
        (
            "env:TWO_LINES",
            "[routes.main] api_key is env:TWO_LINES, which is empty or more than one line. Put the key there, alone on one line.",
        ),
        ("file:missing", "fails: No such file or directory. Create the file, or correct the path."),
        ("file:binary", "but that file is not text. Correct the path."),
        ("file:large", "but that file is too large for a key. Correct the path."),
        (
            "credential:a",
            "systemd has passed no credentials. Write LoadCredential=a:/path/to/the/key into the [Service] section of the unit",
        ),
    ],
)
def test_a_key_that_can_not_be_had_says_why(folder: Folder, reference: str, sentence: str) -> None:
    (folder.path / "binary").write_bytes(b"\xff\xfe")
    (folder.path / "large").write_text("x" * 65_537)
    environ = {"EMPTY": "", "BLANK": " ", "TWO_LINES": f"{KEY}\r\nHost: evil"}
    refusal = folder.refused(f'{ROUTE}api_key = "{reference}"', **environ)
    assert sentence in refusal
    assert KEY not in refusal


def test_a_credential_is_no_way_out_of_its_folder(folder: Folder) -> None:
    (folder.path / "key").write_text(KEY)
    refusal = folder.refused(f'{ROUTE}api_key = "credential:../key"', CREDENTIALS_DIRECTORY=str(folder.path / "credentials"))
    assert "the name of a credential has no slash" in refusal


def test_the_configuration_never_shows_a_key(folder: Folder) -> None:
    config = folder.start(f'{ROUTE}api_key = "env:MY_KEY"', MY_KEY=KEY)
    shown = f"{config!r} {config} {config.routes['main']} {config.routes['main'].api_key!r}"
    assert "env:MY_KEY" in shown
    assert KEY not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(config.routes["main"])


def test_the_known_secrets_are_the_keys_and_what_tool_servers_are_given_under_such_a_name(folder: Folder) -> None:
    env = 'env = { TZ = "UTC", GITHUB_TOKEN = "ghp_1", password = "two" }'
    assert folder.start(f'{ROUTE}api_key = "env:MY_KEY"\n{TOOL}{env}', MY_KEY=KEY).known_secrets == (KEY, "ghp_1", "two")


# --- fingerprints ---------------------------------------------------------------------------------------------------------------------


def test_a_fingerprint_changes_with_every_setting_and_with_the_key(folder: Folder) -> None:
    texts = [
        ROUTE,
        ROUTE.replace("/v1", "/v2"),
        ROUTE.replace('"m"', '"n"'),
        f"{ROUTE}idle_timeout_s = 7",
        f"{ROUTE}context_tokens = 4096",
        f'{ROUTE}api_key = "env:A"',
        f'{ROUTE}api_key = "env:B"',
    ]
    prints = [folder.start(text, A=KEY, B=f"{KEY}!").routes["main"].fingerprint for text in texts]
    assert len(set(prints)) == len(texts)
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in prints)


def test_a_fingerprint_is_that_of_the_key_and_not_of_the_place_where_it_is(folder: Folder) -> None:
    one = folder.start(f'{ROUTE}api_key = "env:A"', A=KEY).routes["main"].fingerprint
    assert one == folder.start(f'{ROUTE}api_key = "env:B"', B=KEY).routes["main"].fingerprint


def test_a_fingerprint_stays_the_same_for_ever() -> None:
    assert Route(dialect="practice").fingerprint == "b453dd548c66d1a5"
    assert ToolServer(command=("a",), env={"B": "1", "A": "2"}).fingerprint == "7c35b7f3119e5c4b"
    assert ToolServer(command=("a",), env={"A": "2", "B": "1"}).fingerprint == "7c35b7f3119e5c4b"


# --- the schema -----------------------------------------------------------------------------------------------------------------------


def test_the_published_schema_is_current() -> None:
    assert (ROOT / "docs/config.schema.json").read_text() == schema() + "\n", "run make schema"


def test_the_schema_accepts_the_full_example_and_refuses_mistakes() -> None:
    validator = jsonschema.Draft202012Validator(msgspec.json.decode(schema()))
    assert validator.is_valid(tomllib.loads(FULL))
    assert validator.is_valid({})
    for mistake in (
        "zzz = 1",
        "[web]\nport = 70000",
        f'{ROUTE}api_key = "{KEY}"',
        f"{ROUTE}zzz = 1",
        '[routes."a b"]',
        "[chains]\na = []",
    ):
        assert not validator.is_valid(tomllib.loads(mistake)), mistake


# --- chains ---------------------------------------------------------------------------------------------------------------------------

TWO = '[routes.main]\ndialect = "practice"\n[routes.small]\ndialect = "practice"\n'


def test_a_chain_is_a_list_or_the_name_of_one_or_of_a_route(folder: Folder) -> None:
    top = '[chains]\nfast = ["small", "main"]\n[agent]\nchain = "fast"\nsummaries_chain = "small"\nschedule_chain = ["main"]\n[web]\nchain = "main"\n'
    read = folder.load(top + TWO)
    assert (read.chain, read.summaries_chain, read.schedule_chain, read.web_chain) == (("small", "main"), ("small",), ("main",), ("main",))
    assert read.chains == {"fast": ("small", "main")}
    assert read.used_routes == ("small", "main")
    plain = folder.load("")
    assert (plain.chain, plain.summaries_chain, plain.schedule_chain, plain.web_chain) == (("main",), (), (), ())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[agent]\nchain = "fsat"\n[chains]\nfast = ["main"]\n',
            "[agent] chain names 'fsat', but there is no such chain or route. Did you mean 'fast'?",
        ),
        ('[web]\nchain = ["other"]\n', "[web] chain names the route 'other', but there is no [routes.other]."),
        ('[chains]\nfast = ["main", "main"]\n', "[chains] fast names the route 'main' twice."),
        ('[chains]\nmain = ["small"]\n', "[chains] 'main' is the name of a route already."),
        ('[chains]\ndefault = ["small"]\n', "[chains] 'default' is what people write to go back"),
        ('[chains]\n"a b" = ["small"]\n', "[chains] 'a b' can't be a name"),
        (
            '[agent]\ntime_zone = "Europe/Berln"\n',
            "[agent] time_zone is 'Europe/Berln', which is not known here. Did you mean 'Europe/Berlin'?",
        ),
        ('[owner]\nnotify = ["telegram:a:1"]\n', "[owner] notify names 'telegram:a:1', but there is no such place here."),
    ],
)
def test_what_can_not_be_a_chain_is_said(folder: Folder, text: str, sentence: str) -> None:
    assert folder.refused(text + TWO).startswith(sentence)


def test_a_header_that_looks_like_a_secret_is_given_by_reference_and_known_as_one(folder: Folder) -> None:
    refused = folder.refused(ROUTE + 'headers = { authorization = "Bearer sk-hidden" }')
    assert "authorization looks like a secret" in refused
    assert "sk-hidden" not in refused
    read = folder.load(ROUTE + 'headers = { x-litellm-tags = "chat", authorization = "env:TOKEN" }')
    started = read.start({**ENVIRON, "TOKEN": "sk-hidden"})
    assert started.routes["main"].headers == {"x-litellm-tags": "chat", "authorization": "sk-hidden"}
    assert "sk-hidden" in started.known_secrets
    other = read.start({**ENVIRON, "TOKEN": "sk-other"})
    assert started.routes["main"].fingerprint != other.routes["main"].fingerprint


def test_a_header_that_belongs_to_the_call_itself_is_refused(folder: Folder) -> None:
    assert "Content-Length is set for each call by itself" in folder.refused(ROUTE + 'headers = { Content-Length = "3" }')


def test_what_a_servers_tools_may_do_changes_no_fingerprint_so_its_tools_are_known_at_the_next_start() -> None:
    plain = ToolServer(command=("a",))
    assert plain.fingerprint == ToolServer(command=("a",), policy="allow", tool_policy={"b": "ask"}, trust_annotations=True).fingerprint
    assert plain.fingerprint != ToolServer(command=("a",), env={"B": "1"}).fingerprint


def test_what_does_not_change_where_a_call_goes_changes_no_fingerprint(folder: Folder) -> None:
    plain, priced = folder.load(ROUTE), folder.load(ROUTE + "price = { input = 1.0 }")
    assert plain.routes["main"].fingerprint == priced.routes["main"].fingerprint


def test_without_a_word_about_it_the_log_is_as_it_suits_its_reader_and_nothing_else_watches(folder: Folder) -> None:
    config = folder.start("")
    assert (config.log.level, config.log.format) == ("info", "auto")
    assert (config.metrics.host, config.metrics.port, config.traces.endpoint) == ("127.0.0.1", None, None)


def test_what_watches_can_be_set_and_the_collectors_key_is_known_as_a_secret(folder: Folder) -> None:
    text = """
[log]
level = "debug"
format = "json"
[metrics]
port = 0
[traces]
endpoint = "http://127.0.0.1:4318"
headers = { authorization = "env:COLLECTOR" }
"""
    config = folder.start(text, COLLECTOR="k3y-of-it")
    assert (config.log.level, config.log.format, config.metrics.port) == ("debug", "json", 0)
    assert config.traces.headers["authorization"].value == "k3y-of-it" and "k3y-of-it" in config.known_secrets
    assert not config.warnings
    said = folder.refused('[log]\nlevel = "loud"')
    assert said == '[log] level must be "debug", "info", "warning" or "error", not the text \'loud\'.'
    assert "COLLECTOR is not set" in folder.refused(text)


def test_who_lets_others_reach_the_numbers_is_told_what_they_read(folder: Folder) -> None:
    (warning,) = folder.start('[metrics]\nhost = "0.0.0.0"\nport = 9464').warnings
    assert "whoever reaches it reads the names of your accounts" in warning
    assert not folder.start('[metrics]\nhost = "0.0.0.0"').warnings, "there is none"
