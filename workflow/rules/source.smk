"""The folder of this workflow's files: here, or in a checkout of the git repository it is read from."""

import subprocess
import tempfile
from pathlib import Path

from snakemake.sourcecache import HostingProviderFile, LocalGitFile


def checkout(repository, reference):
    """A checkout of a git repository, in Snakemake's folder from its first use on."""

    def git(folder, *arguments):
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    commit = git(repository, "rev-parse", "--verify", f"{reference}^{{commit}}")
    folder = Path(".snakemake", "sysstop", commit).absolute()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            git(temporary, "clone", "--quiet", "--no-checkout", str(repository), "clone")
            git(f"{temporary}/clone", "checkout", "--quiet", "--detach", commit)
            Path(temporary, "clone").rename(folder)
    return folder


def workflow_folder(rules):
    """The folder `workflow` around the folder of rules that is being read."""
    if isinstance(rules, LocalGitFile):
        return checkout(rules.repo_path, rules.ref) / "workflow"
    if isinstance(rules, HostingProviderFile):
        return checkout(rules.hosted_repo.repo_clone, rules.ref) / "workflow"
    return Path(rules.get_path_or_uri(secret_free=True)).parent


# Python imports the library, and rules read templates, from a folder: not from within git's database.
WORKFLOW = workflow_folder(workflow.current_basedir)
