"""No progress bars and advice of transformers between our own lines."""


def quiet() -> None:
    """For the whole process; `load_checkpoint`, which notebooks call, is quiet by itself."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
