"""Run a job on a Ray cluster: `python -m jobs.submit JOB --address URL [what JOB takes]`.

`status`, `logs` and `stop` look after what was submitted.
"""

import importlib
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from compressor.cli import INPUT_IS_WRONG, JOB_FAILED, OneLine, guarded, say
from compressor.errors import InputError
from compressor.submit.confidential import check_names
from compressor.submit.request import make_request, submittable

STOP_SECONDS = 60.0

address_option = click.option(
    "--address",
    metavar="URL",
    envvar=["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"],
    help="The cluster's dashboard, such as http://HOST:8265. [$RAY_ADDRESS]",
)
debug_option = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


class _Submit(OneLine, click.Group):
    """A group with a command for each job, beside those that are declared below."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*submittable(), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in submittable():
            return _job_command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            say(f"{args[0]}: no such job; there are {', '.join(self.list_commands(ctx))}")
            sys.exit(INPUT_IS_WRONG)
        return super().resolve_command(ctx, args)


@click.group(
    name="submit",
    cls=_Submit,
    invoke_without_command=True,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.pass_context
def main(context: click.Context) -> None:
    """Run JOB on a Ray cluster: `submit JOB --address URL [what JOB takes]`.

    Its log is streamed, its exit code returned. Ctrl-C leaves it running.
    """
    if context.invoked_subcommand is None:
        say("wants a job, or what to do with one that was submitted; --help lists both")
        sys.exit(INPUT_IS_WRONG)


def _job_command(name: str) -> click.Command:
    job: click.Command = importlib.import_module(f"jobs.{name}").main

    @click.command(
        name=name,
        cls=OneLine,
        help=f"{job.help} On the cluster; options of {name} itself are passed on to it.",
        short_help=job.help,
        epilog=job.epilog,
        context_settings={"ignore_unknown_options": True},
    )
    @address_option
    @click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="NAME",
        help="A variable that must be set in the cluster's environment; may be repeated.",
    )
    @click.option("--no-wait", is_flag=True, help="Return once the job is submitted.")
    @click.option(
        "--submission-id",
        "identity",
        metavar="ID",
        help="Makes it safe to repeat: a job of that id is followed, not started again.",
    )
    @debug_option
    @click.argument(
        "arguments",
        nargs=-1,
        type=click.UNPROCESSED,
        metavar="[--config FILE] [SECTION.KEY=VALUE]...",
    )
    def command(
        address: str | None,
        secrets: Sequence[str],
        no_wait: bool,
        identity: str | None,
        debug: bool,
        arguments: Sequence[str],
    ) -> None:
        def call() -> None:
            given = [*arguments, "--debug"] if debug else arguments
            _run(name, given, address, secrets, identity, no_wait)

        guarded(call, debug)

    return command


def _run(
    name: str,
    arguments: Sequence[str],
    address: str | None,
    secrets: Sequence[str],
    identity: str | None,
    no_wait: bool,
) -> None:
    check_names(secrets)
    request = make_request(name, arguments)
    from compressor.submit.cluster import Cluster
    from compressor.submit.submit import submit

    cluster = Cluster.at(address)
    if request.unchecked:
        click.echo(f"note        the cluster has to read it: {request.unchecked}")
    for key in request.mounted:
        click.echo(f"note        {key}: all nodes must have this path")
    done = submit(
        cluster,
        request,
        secrets=secrets,
        identity=identity,
        note=lambda text: click.echo(f"note        {text}"),
    )
    click.echo(f"{'found' if done.again else 'submitted':<11} {done.identity}")
    click.echo(f"follow      {_command('logs', done.identity, '--follow', cluster)}")
    click.echo(f"stop        {_command('stop', done.identity, cluster)}")
    click.echo("resume      submit it again: what is done is kept")
    if not no_wait:
        _follow(cluster, done.identity)


def _follow(cluster: Any, identity: str) -> None:
    from compressor.submit.follow import follow

    try:
        code = follow(cluster, identity)
    except KeyboardInterrupt:
        click.echo(f"\nleft        {identity} goes on; stop and follow as above", err=True)
        sys.exit(JOB_FAILED)
    if code:
        sys.exit(code)


def _command(action: str, *words: Any) -> str:
    shown = [
        word if isinstance(word, str) else f"--address {shlex.quote(word.shown)}" for word in words
    ]
    return " ".join(["compressor submit", action, *shown])


def _on_cluster(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the cluster instead of its address, and our exit codes."""

    def call(address: str | None, debug: bool, **rest: Any) -> None:
        def run() -> None:
            from compressor.submit.cluster import Cluster

            function(Cluster.at(address), **rest)

        guarded(run, debug)

    call.__doc__ = function.__doc__
    return debug_option(address_option(call))


def _status(cluster: Any, identity: str | None) -> None:
    """Say how a job stands, or all of them."""
    from compressor.submit.cluster import status_of
    from compressor.submit.preflight import PREFIX

    if identity is None:
        with cluster.explained():
            jobs = [job for job in cluster.client.list_jobs() if job.submission_id]
        for job in sorted(jobs, key=lambda job: job.start_time or 0):
            if job.submission_id.startswith(PREFIX):
                continue
            click.echo(f"{job.submission_id}  {status_of(job).lower()}")
        return
    job = cluster.get(identity)
    click.echo(f"status      {status_of(job).lower()}")
    if job.driver_exit_code is not None:
        click.echo(f"exit code   {job.driver_exit_code}")
    if job.message:
        click.echo(f"message     {job.message.strip().splitlines()[-1]}")


def _logs(cluster: Any, identity: str, follow: bool) -> None:
    """Print what a job has printed so far."""
    cluster.get(identity)
    if follow:
        _follow(cluster, identity)
        return
    from compressor.submit.follow import LogPrinter, echo

    with cluster.explained():
        text = cluster.client.get_job_logs(identity)
    printer = LogPrinter(echo)
    printer.feed(text)
    printer.close()


def _stop(cluster: Any, identity: str) -> None:
    """Stop a job; what it has done is kept."""
    from compressor.submit.cluster import status_of
    from compressor.submit.preflight import wait

    cluster.get(identity)
    with cluster.explained():
        cluster.client.stop_job(identity)
    job = wait(cluster, identity, STOP_SECONDS)
    if job is None:
        raise InputError(f"{identity}: has not ended within {STOP_SECONDS:.0f} s; try again")
    click.echo(f"status      {status_of(job).lower()}")


_OPTIONAL = click.argument("identity", metavar="[ID]", required=False)
_REQUIRED = click.argument("identity", metavar="ID")
_FOLLOW = click.option("--follow", "-f", is_flag=True, help="Until its end; return its exit code.")
main.command("status", cls=OneLine)(_OPTIONAL(_on_cluster(_status)))
main.command("logs", cls=OneLine)(_REQUIRED(_FOLLOW(_on_cluster(_logs))))
main.command("stop", cls=OneLine)(_REQUIRED(_on_cluster(_stop)))


if __name__ == "__main__":
    main()
