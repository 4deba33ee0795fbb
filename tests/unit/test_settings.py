"""Settings: arguments before environment before pyproject.toml; each value knows its origin; secrets never show."""

from pathlib import Path

import pytest

from busline.bus.settings import KNOWN, MASK, Settings
from busline.errors import ConfigurationError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.busline]\nurl = "memory://file"\nworkspace = "schemas"\n')
    folder = tmp_path / "src" / "deep"
    folder.mkdir(parents=True)
    return folder


def load(folder: Path, environ: dict[str, str] | None = None, **given: str | None) -> Settings:
    return Settings.load(given, environ=environ or {}, folder=folder)


def test_an_argument_wins_over_the_environment_and_that_over_the_file(project: Path) -> None:
    environ = {"BUSLINE_URL": "memory://environment"}
    assert load(project, environ, url="memory://argument").get("url") == "memory://argument"
    assert load(project, environ, url=None).get("url") == "memory://environment"
    assert load(project).get("url") == "memory://file"


def test_each_value_knows_where_it_came_from(project: Path) -> None:
    settings = load(project, {"BUSLINE_SERVICE": "orders/checkout"}, registry="http://127.0.0.1:1")
    assert settings.origin("registry") == "argument"
    assert settings.origin("service") == "BUSLINE_SERVICE"
    assert settings.origin("url").endswith("pyproject.toml [tool.busline]")
    assert settings.origin("user") == "not set"


def test_a_path_in_the_file_is_relative_to_the_file(project: Path) -> None:
    assert load(project).get("workspace") == str(project.parents[1] / "schemas")


def test_a_file_that_is_not_there_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load(tmp_path).found == {}


def test_an_unknown_setting_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.busline]\nurll = "memory://"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert "urll" in str(caught.value) and "url, service" in str(caught.value)


def test_a_secret_in_the_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.busline]\npassword = "hunter2"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert "hunter2" not in str(caught.value) and "BUSLINE_PASSWORD" in str(caught.value)


@pytest.mark.parametrize("text", ["[tool.busline\n", "[tool.busline]\nurl = 3\n", "tool = {busline = 1}\n"])
def test_a_broken_file_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


def test_a_secret_never_shows(tmp_path: Path) -> None:
    settings = load(tmp_path, {"BUSLINE_PASSWORD": "hunter2"})
    assert settings.get("password") == "hunter2"
    assert "hunter2" not in repr(settings)
    assert settings.found["password"].shown == MASK


def test_every_setting_says_what_it_is() -> None:
    assert all(known.about for known in KNOWN.values())


def test_a_file_may_say_who_signs_in_and_where_the_password_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUSLINE_USER", "BUSLINE_PASSWORD", "BUSLINE_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    text = '[tool.busline]\nurl = "kafka://k:9092"\nuser = "orders/checkout"\npassword_file = "secret"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    security = load(tmp_path).security()
    assert security is not None
    assert (security.user, security.password) == ("orders/checkout", tmp_path / "secret")
    assert load(tmp_path, url="sqlite:///x").security() is None
    assert load(tmp_path / "none", {"BUSLINE_USER": "x", "BUSLINE_PASSWORD_FILE": "y"}).security() is None
