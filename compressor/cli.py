"""What every job shares on the command line: `--config FILE`, overrides, help, logs, exit codes.

A job is a function of its validated configuration; `job(...)` makes a click command of it. The
console command `compressor NAME ...` runs `jobs.NAME`.
"""

import importlib
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

from compressor.errors import InputError, JobError
from compressor.interrupt import exit_code, interruptible
from compressor.log import FORMATS, Format, logged_as, note
from compressor.schema import Config, Section, describe, load

INPUT_IS_WRONG, JOB_FAILED = 2, 1


class OneLine(click.Command):
    """A command whose usage errors are one line, like all our errors."""

    def make_context(
        self, info_name: str | None, args: list[str], *rest: Any, **kwargs: Any
    ) -> click.Context:
        given = [*args]  # click uses up its own
        try:
            return super().make_context(info_name, args, *rest, **kwargs)
        except click.UsageError as error:
            as_json = "json" in given or "--log-format=json" in given
            with logged_as("json" if as_json else "text", info_name or ""):
                say(error.format_message())
            sys.exit(INPUT_IS_WRONG)


class Job(OneLine):
    """The command of a job; `schema` is what its configuration is checked against.

    `positional` is the key that an argument without `=` sets.
    """

    schema: type[Section]
    positional: str | None

    def overrides(self, arguments: Sequence[str]) -> list[str]:
        """Each argument as `section.key=value`."""
        return [
            text if "=" in text or self.positional is None else f"{self.positional}={text}"
            for text in arguments
        ]


def job(
    schema: type[Config], name: str, summary: str, *, positional: str | None = None
) -> Callable[..., Job]:
    """Decorate `run(config)` or `run(config, **options)` into a command with our conventions.

    `positional` is the key that an argument without `=` sets. Extra `click` options may be stacked
    below the decorator; they reach `run` as keywords.
    """

    def decorate(run: Callable[..., None]) -> Job:
        def call(
            config: str | None,
            overrides: Sequence[str],
            debug: bool,
            log_format: Format,
            **rest: Any,
        ) -> None:
            given = command.overrides(overrides)
            with logged_as(log_format, name):
                guarded(lambda: run(load(schema, config, given), **rest), debug)

        command = click.command(
            name=name,
            cls=Job,
            help=summary,
            epilog="\b\n" + _keys(schema),
            context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
        )(call)
        command.schema, command.positional = schema, positional
        own = f"[{positional.partition('.')[0].upper()}] " if positional else ""
        for parameter in getattr(run, "__click_params__", []):
            command.params.insert(0, parameter)
        command.params[:0] = [
            click.Argument(["overrides"], nargs=-1, metavar=f"{own}[SECTION.KEY=VALUE]..."),
            click.Option(
                ["--config"], metavar="FILE", help="YAML configuration, a file or any fsspec URL."
            ),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
            click.Option(
                ["--log-format"],
                type=click.Choice(FORMATS),
                default=FORMATS[0],
                envvar="COMPRESSOR_LOG_FORMAT",
                help="Of stderr: lines of text, or JSON objects. [text, $COMPRESSOR_LOG_FORMAT]",
            ),
        ]
        return command

    return decorate


def main() -> None:
    """`compressor NAME ...`: run the job of that name."""
    names = job_names()
    if len(sys.argv) < 2 or sys.argv[1] in {"-h", "--help"}:
        click.echo("Usage: compressor JOB [--config FILE] [SECTION.KEY=VALUE]...\n")
        click.echo("Jobs: " + ", ".join(names) + "\n\ncompressor JOB --help lists its keys.")
        return
    name = sys.argv[1]
    if name not in names:
        say(f"{name}: no such job; there are {', '.join(names)}")
        sys.exit(INPUT_IS_WRONG)
    command: click.Command = importlib.import_module(f"jobs.{name}").main
    command.main(args=sys.argv[2:], prog_name=f"compressor {name}")


def job_names() -> list[str]:
    import jobs

    return sorted(module.name for module in pkgutil.iter_modules(jobs.__path__))


def guarded(run: Callable[[], None], debug: bool = False) -> None:
    """Call `run`; end the process with our exit codes and one line where it raises.

    After Ctrl-C (130) and SIGTERM (143) the line says how to go on.
    """
    started = time.monotonic()
    note("started")
    try:
        with interruptible():
            run()
    except KeyboardInterrupt as error:
        if debug:
            traceback.print_exc()
        note("stopped", str(error) or "stopped", level="warning", exit_code=exit_code())
        sys.exit(exit_code())
    except (InputError, JobError) as error:
        if debug:
            raise
        code = INPUT_IS_WRONG if isinstance(error, InputError) else JOB_FAILED
        say(str(error), code)
        sys.exit(code)
    except BrokenPipeError:  # the reader has seen enough (`... | head`); click ends quietly
        raise
    except Exception as error:
        if debug:
            raise
        say(f"{type(error).__name__}: {error} (--debug shows where)", JOB_FAILED)
        sys.exit(JOB_FAILED)
    note("finished", seconds=round(time.monotonic() - started, 3), exit_code=0)


def say(message: str, code: int = INPUT_IS_WRONG) -> None:
    """An error, as one line on stderr."""
    note("error", message, level="error", exit_code=code)


def _keys(schema: type[Section]) -> str:
    """The configuration keys as a table for `--help`."""
    rows = [(f"{key}={_yaml(default)}", text) for key, default, text in describe(schema)]
    width = min(max(len(left) for left, _ in rows), 42)
    return "Configuration keys and defaults:\n" + "\n".join(
        f"  {left:<{width}}  {text}" for left, text in rows
    )


def _yaml(value: Any) -> str:
    return (
        "null"
        if value is None
        else str(value).lower()
        if value is True or value is False
        else (str(value))
    )
