"""One writer a folder, on file systems with locks, with locks that want a writer, and without locks."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from projects.OneOcc.core.formats.folder_lock import LOCK_FILE, FolderLock, FolderLockedError

HOLDER = """
import sys, time
from projects.OneOcc.core.formats.folder_lock import FolderLock
FolderLock(sys.argv[1]).acquire()
print('held', flush=True)
time.sleep(60)
"""


def hold(folder) -> subprocess.Popen:
    holder = subprocess.Popen([sys.executable, '-c', HOLDER, str(folder)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b'held\n'
    return holder


def test_a_second_writer_is_told_who_the_first_one_is(tmp_path):
    holder = hold(tmp_path)
    try:
        with pytest.raises(
            FolderLockedError, match=rf'{tmp_path}: another training is writing there \(process {holder.pid} on '
        ):
            FolderLock(tmp_path, 0, 'training').acquire()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with FolderLock(tmp_path, patience_s=0):  # the lock of a killed process is free, its note counts for nothing
        assert json.loads((tmp_path / LOCK_FILE).read_text())['pid'] == os.getpid()
    assert not list(tmp_path.iterdir())


def test_one_process_cannot_take_it_twice(tmp_path):
    with FolderLock(tmp_path), pytest.raises(FolderLockedError):
        FolderLock(tmp_path, patience_s=0).acquire()


def test_a_network_file_system_locks_files_open_for_writing(tmp_path, monkeypatch):
    real = fcntl.flock

    def of_a_network(handle, operation):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, 'read-only descriptor')
        return real(handle, operation)

    monkeypatch.setattr(fcntl, 'flock', of_a_network)
    with FolderLock(tmp_path), pytest.raises(FolderLockedError):
        FolderLock(tmp_path, patience_s=0).acquire()


@pytest.mark.parametrize(('pid', 'refused'), [(os.getppid(), True), (2**22 + 1, False), ('x', False)])
def test_without_locks_the_note_decides(tmp_path, monkeypatch, capsys, pid, refused):
    def no_locks(handle, operation):
        raise OSError(errno.ENOLCK, 'no locks available')

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    (tmp_path / LOCK_FILE).write_text(json.dumps({'host': socket.gethostname(), 'pid': pid}))
    if refused:
        with pytest.raises(FolderLockedError, match=f'process {pid}'):
            FolderLock(tmp_path, patience_s=0).acquire()
    else:
        with FolderLock(tmp_path, patience_s=0):
            assert 'knows no locks' in capsys.readouterr().err
