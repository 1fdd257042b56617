"""Canonical command text: one spelling for many disguises, in bounded time and size."""

import gzip
import time
from base64 import b64encode

import pytest

from tocsin.event.canonical import LIMIT, CanonicalColumn, canonical


def encoded(text: str) -> str:
    return b64encode(text.encode("utf-16-le")).decode()


WHOAMI = encoded("Start-Process WhoAmI")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", ""),
        ("  WhoAmI \t /ALL\r\n", "whoami /all"),
        ("Inv`oke-WebReq`uest", "invoke-webrequest"),
        ("cmd /c pow^ersh^ell", "cmd /c powershell"),
        ('echo "a^b" c^d', 'echo "a^b" cd'),
        ('cmd.exe /c "pow^ershell -nop"', 'cmd.exe /c powershell -nop"'),
        ("a ^^ b", "a ^ b"),
        ("'inv'+'oke'", "'invoke'"),
        ("('a' + 'b') + ('c')", "('abc')"),
        ('"do" + "wn"', '"down"'),
        ("'a' + \"b\"", "'ab\""),
        ("& ('i'+'ex')", "& ('iex')"),
        ("$a.split('+')", "$a.split('+')"),
        ("$a.replace('+','-')", "$a.replace('+','-')"),
        ("[char]105+[char]0x65 + [CHAR](120)", "'iex'"),
        ("[char[]](73,69,88) -join ''", "'iex'"),
        ("\"{1}{0}\" -f 'ex','I'", "'iex'"),
        ("('{0}{2}{1}'-F'Net','tcp','.')", "('net.tcp')"),
        ("'iXXeXXx'.replace('XX','')", "'iex'"),
        ("('a','b.b','at') -join ''", "'ab.bat'"),
        ("'a' , \"b\" -Join '/'", "'a/b'"),
        ("-join('i','e','x')", "'iex'"),
        ("'a' -join ','", "'a' -join ','"),
        ("$x -join ''", "$x -join ''"),
        ('-c "iwr (\\"http://h\\" + \\"/a.bat\\")"', '-c "iwr ("http://h/a.bat")"'),
        ('-c "$o=\\"x.bat\\"; iwr u -o $o"', '-c "$o="x.bat"; iwr u -o x.bat"'),
        ("'qownload' -replace 'q','d'", "'download'"),
        ("powershell \u2013enc " + WHOAMI, f"powershell -enc {WHOAMI.lower()} start-process whoami"),
        ("\u2018a\u2019+\u201bb\u2019", "'ab'"),
        ("KELVIN \u212a É", "kelvin \u212a É"),
    ],
)
def test_gives_one_spelling(raw: str, expected: str) -> None:
    assert canonical(raw) == expected


@pytest.mark.parametrize(
    "switch", ["-e", "-E", "/e", "-en", "-enc", "-ENC", "-eNcOdE", "-EncodedCommand", "/encodedcommand", "-ec", "-e:"]
)
def test_decodes_every_abbreviation(switch: str) -> None:
    assert canonical(f"powershell.exe -nop {switch} {WHOAMI}").endswith("start-process whoami")


@pytest.mark.parametrize(
    "line",
    [
        '"C:\\Windows\\System32\\powershell.exe" -e {}',
        'cmd /c "powershell -w hidden -enc {}"',
        'cmd.exe /c "po^wershell -e^nc {}"',
        "powershell -e '{}'",
        'powershell -e "{}"',
        "powershell -`e`n`c {}",
        "start /b powershell.exe -nop -encodedco {}",
    ],
)
def test_finds_the_payload_wherever_it_stands(line: str) -> None:
    assert "start-process whoami" in canonical(line.format(WHOAMI))


def test_decodes_at_most_three_times() -> None:
    line = "deepest"
    for level in range(5):
        line = f"powershell -enc {encoded(line)} #{level}"
    text = canonical(line)
    assert "#3" in text
    assert "#1" in text
    assert "#0" not in text


def test_what_is_no_payload_is_not_decoded() -> None:
    for line in ("grep -e TestTest x", "copy /e ABCDEFGH", "tool -enc Zm9vYmFyYmF6", "x -export QUJDREVG"):
        assert canonical(line) == line.lower()


@pytest.mark.parametrize("packed", [b"iex calc", "iex calc".encode("utf-16-le"), gzip.compress(b"iex calc", mtime=0)])
def test_decodes_literals_given_to_frombase64string(packed: bytes) -> None:
    payload = b64encode(packed).decode()
    assert canonical(f"[Convert]::FromBase64String('{payload}')").endswith(" iex calc")
    half = len(payload) // 2
    assert canonical(f"[Convert]::FromBase64String('{payload[:half]}'+'{payload[half:]}')").endswith(" iex calc")


def test_what_a_script_decodes_is_a_statement_of_its_own() -> None:
    text = canonical(f"iex ($u.GetString([Convert]::FromBase64String('{encoded('iwr x')}')))")
    assert text.endswith(")); iwr x")


def test_a_payload_put_together_inside_a_payload_is_read() -> None:
    inner = encoded("$c=New-Ob`ject ('system.net'+'.sockets.tcpclient')")
    assert "new-object ('system.net.sockets.tcpclient')" in canonical(f"powershell -e {inner}")


def test_a_zip_bomb_stays_within_the_bound() -> None:
    payload = b64encode(gzip.compress(b"a" * 50_000_000, 9, mtime=0)).decode()
    assert len(canonical(f"[Convert]::FromBase64String('{payload}')")) <= LIMIT


HOSTILE = [
    "'" * 200_000,
    '"' * 200_000,
    "'a'+" * 60_000,
    "^" * 200_000,
    "`" * 200_000,
    '"{0}" -f ' * 20_000,
    "'" + "{0}" * 20_000 + "' -f '" + "a" * 60_000 + "'",
    "-e " * 60_000,
    "-enc " + "A" * 200_000,
    "[char]" * 30_000,
    "[char[]](" + "1," * 60_000,
    "'aaaa'.replace('a','" + "b" * 50_000 + "')",
    " " * 200_000 + "x",
    ("'a'" + " " * 1000) * 100,
    "frombase64string(" * 10_000,
    "frombase64string('" + "A " * 60_000,
    "/c " * 60_000 + '"^',
    "'a' -replace " * 10_000,
    "(((((" * 20_000 + "+" + ")" * 50_000,
    "\ud800" * 1000 + "^`'",
    "$u='" + "x" * 2000 + "';" + '$v="' + "$u" * 20_000 + '";$v',
    "$a='x';" * 8000 + "$a" * 5000,
    '$a="$a$a";' * 6000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_takes_bounded_size(text: str) -> None:
    assert len(canonical(text)) <= LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.process_time()
    canonical(text)
    assert time.process_time() - start < 2


def test_a_column_makes_each_value_once_and_is_bounded() -> None:
    column = CanonicalColumn(size=64_000)
    assert column(["A", None, "A", "B`"]) == ["a", None, "a", "b"]
    for number in range(2000):
        column([f"Value {number}"])
    assert column._bytes <= 64_000
    assert column(["x" * 5000]) == ["x" * 5000]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("$u='http://h/x.bat'; iwr $u", "$u='http://h/x.bat'; iwr 'http://h/x.bat'"),
        (
            '$D = "C:\\T"\n$f = "$d\\x.bat"\r\niwr u -OutFile $F',
            '$d = "c:\\t"; $f = "$d\\x.bat"; iwr u -outfile \'c:\\t\\x.bat\'',
        ),
        ("$a='sys';$a+='tem';new-object $a", "$a='sys';$a+='tem';new-object 'system'"),
        ("$a='net';$b='.sockets';x ($a+$b)", "$a='net';$b='.sockets';x ('net.sockets')"),
        ("$a='x'; $a=get-item y; z $a", "$a='x'; $a=get-item y; z $a"),
        ("$a='x'; if ($a -eq 'x') {'$a'}", "$a='x'; if ('x' -eq 'x') {'$a'}"),
        ("powershell -c \"$a='x'; run ${a}y\"", "powershell -c \"$a='x'; run xy\""),
        ("$a='x'+1; z $a", "$a='x'+1; z $a"),
    ],
)  # fmt: skip
def test_a_variable_is_the_literal_that_it_holds(raw: str, expected: str) -> None:
    assert canonical(raw) == expected


def test_lines_stay_statements() -> None:
    assert canonical("a  b\r\n\r\n  c |\n d `\n e\n | f") == "a b; c | d e | f"


def test_variables_that_would_outgrow_the_bound_stay() -> None:
    assert len(canonical("$a='" + "x" * 2000 + "';" + "$a " * 20_000)) <= LIMIT
