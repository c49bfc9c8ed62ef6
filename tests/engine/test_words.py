"""What counts as a word."""

import pytest

from compressor import Compressor


def words_of(engine: Compressor, text: str) -> list[str]:
    result = engine.compress([text])[0]
    return [text[start:end] for start, end in result.words]


@pytest.mark.parametrize(
    "word",
    [
        "150,782", "3.14", "12.5%", "$64.00", "1/2", "12:30", "2021-03-04", "-5", "20°C", "8*8=64",
        "don't", "isn’t", "Smith's", "state-of-the-art", "AT&T", "U.S.A", "C++", "C#", "#1",
        "https://example.com/a?b=c&d=1", "www.example.com", "jane.doe+x@ex.com",
        "snake_case", "foo.bar", "std::vector", "a->b", "/usr/bin", "--flag", "path/to.py", "@user",
        "Röntgen", "e\u0301te\u0301", "한국어", "привет", "👍🏽", "👨‍👩‍👧", "🇩🇪",
    ],
)  # fmt: skip
def test_stays_whole(bert: Compressor, word: str) -> None:
    words = words_of(bert, f"So {word} is, well, one (or {word}).")
    assert words.count(word) == 2, words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('He said: "yes"...', ["He", "said", ":", '"', "yes", '"', "..."]),
        ("end. Next, (one)", ["end", ".", "Next", ",", "(", "one", ")"]),
        ("see https://ex.com/a.", ["see", "https://ex.com/a", "."]),
        ("(https://ex.com/a)", ["(", "https://ex.com/a", ")"]),
        ("- item\n- two", ["-", "item", "-", "two"]),
        ("what?!", ["what", "?", "!"]),
        ("in 2024年", ["in", "2024", "年"]),
        ("...", ["..."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_parts(bert: Compressor, text: str, words: list[str]) -> None:
    assert words_of(bert, text) == words


def test_words_cover_everything_but_white_space(engine: Compressor) -> None:
    text = 'A "b" c-d, 3.5%\t(e) 我喜欢苹果。\nสวัสดีครับ 😂!'
    spans = engine.compress([text])[0].words
    covered = {at for start, end in spans for at in range(start, end)}
    assert covered == {at for at, char in enumerate(text) if not char.isspace()}


@pytest.mark.parametrize("text", ["我喜欢吃苹果因为苹果很好吃", "日本語の文章には空白がありません"])
def test_text_without_spaces_is_split(engine: Compressor, text: str) -> None:
    result = engine.compress([text], 0.5)[0]
    assert len(result.words) > 4
    assert 0 < len(result.text) < len(text)
    assert " " not in result.text


def test_a_long_word_is_cut_and_kept_from_its_front(engine: Compressor) -> None:
    text = "thequickbrownfox" * 6  # WordPiece takes more than 100 characters for one unknown word
    result = engine.compress([text], 0.5)[0]
    target = round(0.5 * result.original_tokens)
    assert target - max(2, target // 50) <= result.compressed_tokens <= target
    assert text.startswith(result.text)


def test_a_numbers_parts_are_kept_or_dropped_together(bert: Compressor) -> None:
    text = "It cost 150,782 crowns and 3.14 of 12.5% was due on 2021-03-04 to them."
    for percent in range(5, 100, 5):
        for word in bert.compress([text], percent / 100)[0].text.split():
            if any(char.isdigit() for char in word):
                assert word.rstrip(".") in {"150,782", "3.14", "12.5%", "2021-03-04"}


@pytest.mark.parametrize(
    ("text", "mark", "owner"),
    [
        ("one, two", ",", "one"),
        ("one (two) three", "(", "two"),
        ("one (two) three", ")", "two"),
        ("one . two", ".", "one"),
        ("- item", "-", "item"),
        ('say "no" now', '"', "no"),
        ("one ( two ) three", "(", "two"),
        ("let x=y now", "=", "x"),
    ],
)
def test_punctuation_goes_with_its_word(bert: Compressor, text: str, mark: str, owner: str) -> None:
    for target in range(1, 8):
        result = bert.compress([text], target_tokens=target)[0]
        kept = [text[a:b] for a, b in result.kept]
        assert mark not in kept or owner in kept
