"""One run a folder, on local disks, on NFS and where the file system knows no locks."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_converters.sequence_pool import OutputLock
from projects.OneOcc.core.formats.folder_lock import FolderLock

ROOT = Path(__file__).resolve().parents[3]


def test_a_second_run_is_kept_out_until_the_first_ends(tmp_path):
    assert OutputLock is FolderLock
    with FolderLock(tmp_path), pytest.raises(ValueError, match='another run is writing there'):
        FolderLock(tmp_path, patience_s=0).__enter__()
    with FolderLock(tmp_path, patience_s=0):
        pass


def test_a_killed_run_frees_the_folder(tmp_path):
    code = (
        'import sys, os, signal; from projects.OneOcc.core.formats.folder_lock import FolderLock\n'
        'FolderLock(sys.argv[1]).__enter__(); os.kill(os.getpid(), signal.SIGKILL)'
    )
    assert subprocess.run([sys.executable, '-c', code, str(tmp_path)], cwd=ROOT).returncode == -9
    with FolderLock(tmp_path, patience_s=0):
        pass


def test_the_descriptor_is_open_for_writing_as_nfs_wants_it(tmp_path, monkeypatch):
    flock = fcntl.flock

    def nfs(handle, operation):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return flock(handle, operation)

    monkeypatch.setattr(fcntl, 'flock', nfs)
    with FolderLock(tmp_path), pytest.raises(ValueError, match='another run'):
        FolderLock(tmp_path, patience_s=0).__enter__()


@pytest.mark.parametrize('code', [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF])
def test_without_locks_the_run_goes_on_and_says_so(code, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, 'flock', refuse)
    with FolderLock(tmp_path):
        pass
    assert 'knows no locks' in capsys.readouterr().err
