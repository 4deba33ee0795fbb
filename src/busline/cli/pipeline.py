"""The pipeline of a workspace's repository, and its CODEOWNERS: texts from what the workspace says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from busline.contract.model import TeamSpec
from busline.contract.rules.codeowners import CodeOwners, owners_of, repository_root
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError

HOSTS: Final = ("github", "gitlab")
PIPELINES: Final = {"github": ".github/workflows/busline.yml", "gitlab": ".gitlab/busline.yml"}
OWNERS: Final = {"github": ".github/CODEOWNERS", "gitlab": ".gitlab/CODEOWNERS"}
_HEAD: Final = "# Written by `busline init --ci {host}`. Yours to change: it is never overwritten.\n"
_GITHUB: Final = """\
# BUSLINE_PACKAGE, the repository's variable, is where pip finds busline: a requirement, a URL, a wheel.
name: busline
on:
  pull_request:
  push: {{branches: [{branch}]}}
permissions: {{contents: read}}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {{fetch-depth: 0}}  # what is published is seen on the branch {branch}
      - uses: actions/setup-python@v5
        with: {{python-version: "3.13"}}
      - run: pip install "${{{{ vars.BUSLINE_PACKAGE }}}}"
      - run: busline check --workspace {folder}
"""
_GITHUB_PLAN: Final = """  plan-{env}:
    # A fork's requests get no secret, so no plan.
    if: github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {{fetch-depth: 0}}
      - uses: actions/setup-python@v5
        with: {{python-version: "3.13"}}
      - run: pip install "${{{{ vars.BUSLINE_PACKAGE }}}}"
      - run: busline plan --env {env} --workspace {folder}
        env:  # a user that can look and change nothing: busline init --platform
          BUSLINE_USER: busline/plan
          BUSLINE_PASSWORD: ${{{{ secrets.BUSLINE_PLAN_PASSWORD_{name} }}}}
"""
_GITHUB_APPLY: Final = """  apply-{env}:
    needs: check
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    environment: {env}
    concurrency: busline-{env}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.13"}}
      - run: pip install "${{{{ vars.BUSLINE_PACKAGE }}}}"
      - run: busline apply --env {env} --workspace {folder}
        env:
          BUSLINE_USER: ${{{{ secrets.BUSLINE_USER }}}}
          BUSLINE_PASSWORD: ${{{{ secrets.BUSLINE_PASSWORD }}}}
"""
_GITLAB: Final = """\
# In .gitlab-ci.yml: include: {{local: {file}}}
# BUSLINE_PACKAGE, a variable of the project, is where pip finds busline: a requirement, a URL or a wheel.
busline-check:
  image: python:3.13
  variables: {{GIT_DEPTH: "0"}}
  script:
    - git fetch origin "+refs/heads/{branch}:refs/remotes/origin/{branch}"  # what is published is seen there
    - pip install "$BUSLINE_PACKAGE"
    - busline check --workspace {folder} --format gitlab > gl-code-quality-report.json || failed=$?
    - busline check --workspace {folder} || exit $?
    - exit ${{failed:-0}}
  artifacts:
    when: always
    reports: {{codequality: gl-code-quality-report.json}}
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == "{branch}"
"""
_GITLAB_PLAN: Final = """busline-plan-{env}:
  image: python:3.13
  needs: []
  variables: {{GIT_DEPTH: "0", BUSLINE_USER: busline/plan}}  # can look and change nothing: busline init --platform
  script:
    - git fetch origin "+refs/heads/{branch}:refs/remotes/origin/{branch}"
    - pip install "$BUSLINE_PACKAGE"
    - BUSLINE_PASSWORD="$BUSLINE_PLAN_PASSWORD_{name}" busline plan --env {env} --workspace {folder}
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
"""
_GITLAB_APPLY: Final = """busline-apply-{env}:
  image: python:3.13
  needs: [busline-check]
  environment: {env}
  resource_group: busline-{env}
  script:
    - pip install "$BUSLINE_PACKAGE"
    - busline apply --env {env} --workspace {folder}  # BUSLINE_USER, BUSLINE_PASSWORD: masked variables of {env}
  rules:
    - if: $CI_COMMIT_BRANCH == "{branch}"
"""
_GITHUB_PARTS: Final = (_GITHUB, _GITHUB_PLAN, _GITHUB_APPLY)
_GITLAB_PARTS: Final = (_GITLAB, _GITLAB_PLAN, _GITLAB_APPLY)


def pipeline_files(workspace: Workspace, host: str) -> tuple[Path, dict[str, str], list[str]]:
    """The repository's root, the files to write there, and lines that a CODEOWNERS which is there lacks.

    Raises ConfigurationError outside a git repository, and where a pipeline is there that says something else.
    """
    root = repository_root(workspace.path)
    owners = owners_of(workspace.path)
    if root is None or owners is None:
        raise ConfigurationError("this is not in a git repository", where=str(workspace.path), fix="Run: git init")
    files = _new(root, PIPELINES[host], _pipeline(workspace, host, owners.folder or "."))
    missing = [_line(owners, team) for team in workspace.teams.values() if not owners.has(team.name)]
    if owners.file:
        return root, files, missing
    return root, files | {OWNERS[host]: _codeowners(host, owners, missing)}, []


def _new(root: Path, file: str, text: str) -> dict[str, str]:
    there = root / file
    if not there.exists():
        return {file: text}
    if there.read_text(encoding="utf-8") == text:
        return {}
    fix = "Remove it to have it written anew, or change it by hand."
    raise ConfigurationError("there is a pipeline already, and it says something else", where=str(there), fix=fix)


def _pipeline(workspace: Workspace, host: str, folder: str) -> str:
    """Environments on a file of this machine are nothing that a pipeline applies to."""
    first, plan, then = _GITHUB_PARTS if host == "github" else _GITLAB_PARTS
    words = {"branch": workspace.branch, "folder": folder, "file": PIPELINES[host]}
    served = [name for name, env in workspace.environments.items() if not env.url.startswith(("sqlite:", "memory:"))]
    names = {env: env.upper().replace("-", "_") for env in served}
    guarded = [env for env in served if workspace.environments[env].url.startswith("kafka:")]
    parts = [first.format(**words), *(plan.format(env=env, name=names[env], **words) for env in guarded)]
    parts += [then.format(env=env, **words) for env in served]
    return _HEAD.format(host=host) + "".join(parts)


def _line(owners: CodeOwners, team: TeamSpec) -> str:
    """Who guards a folder is nothing to be guessed: without `codeowners` the line is a comment."""
    line = owners.line(team.name, team.codeowners)
    return line if team.codeowners else f"# {line}   (`codeowners` is not said in {team.name}/team.yaml)"


def _codeowners(host: str, owners: CodeOwners, lines: list[str]) -> str:
    company = f"{owners.folder}/busline.yaml".lstrip("/")
    head = [
        _HEAD.format(host=host).rstrip("\n"),
        "# A line a team, from `codeowners` in its team.yaml. A merge is consent: let each team guard its own folder.",
        f"# /{company} is the platform team's: give it a line too.",
    ]
    return "\n".join([*head, *lines]) + "\n"
