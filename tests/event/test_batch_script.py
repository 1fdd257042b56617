"""Which batch files a command line of cmd runs, in every way that cmd can be told to, and which it only names."""

from __future__ import annotations

import time

import pytest

from tocsin.event.batch_script import batch_scripts, script_of


@pytest.mark.parametrize(
    ("line", "script"),
    [
        (
            'c:\\windows\\system32\\cmd.exe /c ""c:\\users\\a\\downloads\\testing.bat" "',
            "c:\\users\\a\\downloads\\testing.bat",
        ),
        ("cmd.exe /c testing.bat", "testing.bat"),
        ('"c:\\windows\\system32\\cmd.exe" /k "c:\\path with\\x.bat" arg', "c:\\path with\\x.bat"),
        ("cmd /q /c x.bat", "x.bat"),
        ("cmd /b /c start /b /min x.bat", "x.bat"),
        ("cmd/cx.bat", "x.bat"),
        ('cmd /v:on /c"x.bat"', "x.bat"),
        ("c:/windows/cmd.exe /c x.cmd", "x.cmd"),
        ('cmd /c start "title" /min x.bat', "x.bat"),
        ('cmd /c start "t" /d "c:\\te mp" /wait x.bat', "x.bat"),
        ("cmd /c call x.bat", "x.bat"),
        ('cmd /c "cd /d c:\\t & call y.bat"', "y.bat"),
        ("cmd /c (x.bat)", "x.bat"),
        ("cmd /c @x.bat", "x.bat"),
        ("cmd /c for %i in (1 2) do x.bat", "x.bat"),
        ("cmd /c for /f %i in ('x.bat') do echo %i", "x.bat"),
        ("cmd /c if exist c:\\x.bat c:\\x.bat", "c:\\x.bat"),
        ("cmd /c if not exist y call x.bat", "x.bat"),
        ("cmd /c if 1==1 x.bat", "x.bat"),
        ("cmd /c cmd /c x.bat", "x.bat"),
        ("cmd /c cmd < x.bat", "x.bat"),
        ("cmd /c ping -n 1 1.1.1.1>nul&x.bat", "x.bat"),
        ("cmd /c echo y|x.bat", "x.bat"),
        ("cmd /c c:\\admin\\..\\temp\\x.bat", "c:\\temp\\x.bat"),
        ("cmd /c \\\\?\\c:\\t\\x.bat", "c:\\t\\x.bat"),
        ("cmd /c %temp%\\x.bat", "%temp%\\x.bat"),
        ("cmd /r x.bat.", "x.bat"),
        ('cmd /d /s /c " "c:\\p f\\npm.cmd" run "x" "', "c:\\p f\\npm.cmd"),
        ("cmd /c a.bat & b.bat", "several: a.bat & b.bat"),
        ("cmd /c a.bat & a.bat", "a.bat"),
        ("cmd /c c:\\ok.bat:evil.bat", "stream of c:\\ok.bat:evil.bat"),
    ],
)
def test_finds_what_is_run(line: str, script: str) -> None:
    assert script_of(line) == script


@pytest.mark.parametrize(
    "line",
    [
        None,
        "",
        "cmd.exe",
        "cmd x.bat",
        "cmd /c copy a.bat b.bat & powershell -c 1",
        "cmd /c for %i in (a.bat b.bat) do copy %i d",
        "cmd /c if exist x.bat powershell -c 1",
        "cmd /c powershell -log out.bat",
        "powershell -log out.bat",
        "cmd /c type x.bat",
        "cmd /c type x.bat | more",
        "cmd /c echo hi > x.bat",
        'cmd /c start "x.bat"',
        "cmd /c findstr /s foo *.bat",
        "cmd /c del x.bat & powershell",
        "cmd /c x.batch",
        "cmd /c x.bat.exe",
    ],
)
def test_what_is_only_named_is_not_run(line: str | None) -> None:
    assert script_of(line) is None


@pytest.mark.parametrize(
    "line",
    ["cmd /c " + '"' * 8000, "cmd /c " + "(" * 8000, "cmd /c " + "for " * 2000, "cmd " + "/a" * 4000, "/c" * 5000],
)
def test_hostile_lines_take_little_time(line: str) -> None:
    start = time.process_time()
    batch_scripts(line)
    assert time.process_time() - start < 5
