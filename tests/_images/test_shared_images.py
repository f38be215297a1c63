"""Images are made once for all threads."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest

from sklearn_resnet._images.region_images import WholeImage
from sklearn_resnet._images.shared_images import SharedImages


def test_threads_share_what_one_of_them_makes():
    images, made = SharedImages(), []
    start = threading.Barrier(4)

    class Made:
        nbytes = 1

        def close(self):
            made.append("closed")

    def make():
        made.append("made")
        return Made()

    def get():
        start.wait()
        images.get("a", make)

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    images.clear()
    assert made == ["made", "closed"]
    assert len(images) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    images, is_forked = SharedImages(), threading.Event()

    def make_slowly():
        is_forked.wait(60)
        return WholeImage(np.zeros((1, 1), np.uint8))

    thread = threading.Thread(target=images.get, args=("a", make_slowly))
    thread.start()
    while not len(images):
        time.sleep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions warn of a fork with threads
        child = os.fork()
    if child == 0:
        signal.alarm(30)
        images.get("a", lambda: WholeImage(np.ones((1, 1), np.uint8)))
        os._exit(0)
    is_forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
