"""Secrets of an engine's users: where each comes from, where a new one goes, and that none shows."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from busline.errors import ConfigurationError
from busline.governance.users.secrets import SecretPlaces, Secrets, variable, write_secret

USER, GOOD = "orders/checkout", "correct-horse-battery"
RUN: Any = subprocess.run


def secrets(folder: Path, **places: Any) -> Secrets:
    return Secrets(SecretPlaces(folder=folder, **{"environ": {}, "users": [USER], **places}))


def program(folder: Path, text: str) -> tuple[str, ...]:
    file = folder / "program.py"
    file.write_text(text)
    return sys.executable, str(file)


async def test_a_new_secret_is_random_and_goes_to_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "secrets/prod"
    mine = secrets(folder)
    secret, other = await mine.secret(USER), await mine.secret("orders/other")
    file = folder / "orders.checkout.password"
    assert len(secret) >= 43
    assert secret != other
    assert file.read_text() == secret + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert mine.handed[0].went == str(file)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore", "orders.checkout.password", "orders.other.password"
    ]  # fmt: skip


async def test_a_secret_that_was_kept_is_found_by_the_next_run(tmp_path: Path) -> None:
    first = await secrets(tmp_path / "s").secret(USER)
    again = secrets(tmp_path / "s")
    assert await again.secret(USER) == first
    assert again.handed[0].went == ""


async def test_each_mechanism_has_a_file_of_its_own(tmp_path: Path) -> None:
    mine = secrets(tmp_path)
    assert await mine.secret(USER) != await mine.secret(USER, "SCRAM-SHA-256", other=True)
    assert (tmp_path / "orders.checkout.scram-sha-256.password").exists()
    assert mine.forget(USER, "SCRAM-SHA-512") == tmp_path / "orders.checkout.password"
    assert mine.forget(USER, "SCRAM-SHA-512") is None


async def test_the_environment_comes_before_a_file_and_a_file_before_a_command(tmp_path: Path) -> None:
    read = program(tmp_path, "import os; print(os.environ['BUSLINE_USER'].replace('/', '-') + '-from-the-vault')")
    assert await secrets(tmp_path, read=read).secret(USER) == "orders-checkout-from-the-vault"
    (tmp_path / "orders.checkout.password").write_text("from-a-file-of-theirs\r\n")
    assert await secrets(tmp_path, read=read).secret(USER) == "from-a-file-of-theirs"
    environ = {"BUSLINE_SECRET_ORDERS_CHECKOUT": GOOD}
    assert await secrets(tmp_path, read=read, environ=environ).secret(USER) == GOOD


async def test_a_new_secret_goes_to_the_store_on_its_input_and_to_no_file(tmp_path: Path) -> None:
    read = program(tmp_path, "")
    store = tmp_path / "store.py"
    store.write_text("import sys, os; open(os.environ['BUSLINE_USER'].replace('/', '.'), 'w').write(sys.stdin.read())")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        mine = secrets(tmp_path / "s", read=read, store=(sys.executable, str(store)))
        secret = await mine.secret(USER)
    finally:
        os.chdir(here)
    assert (tmp_path / "orders.checkout").read_text() == secret + "\n"
    assert not (tmp_path / "s").exists()


async def test_a_rotation_does_not_ask_the_store_for_the_secret_in_use(tmp_path: Path) -> None:
    program(tmp_path, "import sys; print('the-one-that-is-in-use')")
    command = (sys.executable, str(tmp_path / "program.py"))
    mine = secrets(tmp_path, read=command, store=command)
    assert await mine.secret(USER) == "the-one-that-is-in-use"
    assert await mine.secret(USER, "SCRAM-SHA-256", other=True) != "the-one-that-is-in-use"


async def test_no_secret_is_ever_an_argument_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def noted(arguments: Any, **options: Any) -> Any:
        seen.append((arguments, dict(options["env"])))
        return RUN(arguments, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    mine = secrets(tmp_path, store=program(tmp_path, ""))
    secret = await mine.secret(USER)
    assert len(seen) == 1
    assert secret not in str(seen)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("sixteen-letters.", ""),
        ("fifteen-letters", "fewer than 16"),
        ("", "fewer than 16"),
        ("a secret with spaces in it", "whitespace"),
        ("a-secret\twith-a-tab-in-it", "whitespace"),
        ("a-secret-with-an-ümlaut", "ASCII"),
    ],
)
async def test_a_given_secret_that_is_none_is_refused_and_not_shown(tmp_path: Path, given: str, why: str) -> None:
    mine = secrets(tmp_path, environ={"BUSLINE_SECRET_ORDERS_CHECKOUT": given})
    if not why:
        assert await mine.secret(USER) == given
        return
    with pytest.raises(ConfigurationError, match="BUSLINE_SECRET_ORDERS_CHECKOUT") as refused:
        await mine.secret(USER)
    assert why in str(refused.value)
    assert not given or given not in str(refused.value)


async def test_a_variable_that_two_users_would_share_is_refused(tmp_path: Path) -> None:
    users = ["a-b/c", "a/b-c"]
    assert variable(users[0]) == variable(users[1]) == "BUSLINE_SECRET_A_B_C"
    mine = secrets(tmp_path, users=users, environ={"BUSLINE_SECRET_A_B_C": GOOD})
    with pytest.raises(ConfigurationError, match=r"more than one user \(a-b/c, a/b-c\)"):
        await mine.secret("a-b/c")
    assert await secrets(tmp_path, users=users).secret("a/b-c")


async def test_what_a_failing_command_prints_is_not_shown(tmp_path: Path) -> None:
    text = f"import sys; print('{GOOD}'); print('{GOOD}', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ConfigurationError, match="exit code 3") as failed:
        await secrets(tmp_path, read=program(tmp_path, text)).secret(USER)
    assert GOOD not in str(failed.value)
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        await secrets(tmp_path, read=(str(tmp_path / "none"),)).secret(USER)


async def test_no_secret_shows_in_a_repr(tmp_path: Path) -> None:
    mine = secrets(tmp_path, printed=True, environ={"BUSLINE_SECRET_ORDERS_CHECKOUT": GOOD})
    await mine.secret(USER)
    made = await mine.secret("orders/other")
    shown = repr(mine) + repr(mine._places) + repr(mine.handed)
    assert GOOD not in shown
    assert made not in shown
    assert mine.to_print == {"orders/other": made}
    assert not os.listdir(tmp_path)


def test_a_file_is_never_replaced_and_a_link_never_followed(tmp_path: Path) -> None:
    file = tmp_path / "orders.checkout.password"
    write_secret(file, GOOD)
    with pytest.raises(ConfigurationError, match="File exists"):
        write_secret(file, "another-secret-here")
    assert file.read_text() == GOOD + "\n"
    (tmp_path / "linked.password").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        write_secret(tmp_path / "linked.password", GOOD)
    assert not (tmp_path / "elsewhere").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linked.password", "orders.checkout.password"]


async def test_users_from_before_have_files_that_no_service_has(tmp_path: Path) -> None:
    mine, users = secrets(tmp_path), ("orders/checkout", "orders.checkout", "../x", "CN=a,O=b")
    names = {mine.file(user, "SCRAM-SHA-512").name for user in users}
    assert len(names) == 4
    assert all("/" not in name and not name.startswith(".") for name in names)
