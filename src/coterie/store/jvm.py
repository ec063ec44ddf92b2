"""The Java machine in which Spark's local mode runs: found, started quietly, shared within the process, stopped."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coterie.errors import MissingExtraError, StoreError
from coterie.store import machine

_SHARE = 0.25  # of the machine's memory; DuckDB, Arrow and the models want theirs
_HOMES = "/usr/lib/jvm"
_HINT = "apt-get install openjdk-17-jre-headless, or let JAVA_HOME name the folder of a Java 17 or newer."

_lock = threading.Lock()
_running: Machine | None = None


def java_home() -> str | None:
    """Return the folder of the Java to use, or None where ``java`` is on the path and needs no naming.

    Raises
    ------
    MissingExtraError
        There is no Java, or ``JAVA_HOME`` names a folder without one.
    """
    if home := os.environ.get("JAVA_HOME"):
        if not shutil.which("java", path=os.path.join(home, "bin")):
            raise MissingExtraError(f"JAVA_HOME names {home}, where there is no bin/java.", hint=_HINT)
        return home
    if shutil.which("java"):
        return None
    for found in sorted(Path(_HOMES).glob("*/bin/java")):
        return str(found.parent.parent)
    raise MissingExtraError("Java, in which Spark runs, is not installed.", hint=_HINT)


class Machine:
    """One Java machine with one Spark context, for all engines of this process; ``hold`` and ``release`` count them.

    It reaches nothing but this computer, serves no pages, writes its words to a file of its own, and keeps within its
    memory, spilling to a folder that goes with it.
    """

    def __init__(self, threads: int, memory: int) -> None:
        self._folder = tempfile.mkdtemp(prefix="coterie-spark-")
        self._sweep = weakref.finalize(self, shutil.rmtree, self._folder, True)
        self._users = 0
        said = Path(self._folder, "said.txt")
        try:
            with said.open("wb") as stream, _environment():
                self._gateway, self.context = _start(stream, self._folder, threads, memory)
        except Exception as error:
            last = said.read_text("utf-8", "replace").strip().splitlines()[-1:]
            self._sweep()
            if isinstance(error, MissingExtraError):
                raise
            why = f": {last[0].strip()}" if last else ""
            raise StoreError(f"Spark does not start{why}.", hint=f"it needs Java 17 or newer: {_HINT}") from error

    @classmethod
    def hold(cls, threads: int | None, memory: int | None) -> Machine:
        """Return the running machine, started if there is none; each call is to be answered by ``release``."""
        global _running
        with _lock:
            if _running is None:
                megabytes = memory or int(machine.memory() * _SHARE) >> 20
                _running = cls(threads or machine.cores(), max(megabytes, 512))
            _running._users += 1
            return _running

    @staticmethod
    def runs(context: Any) -> bool:
        """Return whether a Spark context is that of the running machine."""
        return _running is not None and _running.context is context

    def release(self) -> None:
        """Stop the machine unless others hold it too."""
        global _running
        with _lock:
            self._users -= 1
            if self._users:
                return
            _running = None
            self._stop()

    def _stop(self) -> None:
        from pyspark import SparkContext

        process = self._gateway.proc
        self.context.stop()
        self._gateway.shutdown()
        # PySpark keeps the connection to a machine in its class, to use it again; this machine ends here.
        SparkContext._gateway = SparkContext._jvm = None
        process.stdin.close()  # at which the machine ends
        process.wait()
        self._sweep()


def _start(said: Any, folder: str, threads: int, memory: int) -> tuple[Any, Any]:
    """Start Java with Spark in it; return the connection and the context."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf(loadDefaults=False).setMaster(f"local[{threads}]").setAppName("coterie")
    conf.setAll(
        list(
            {
                "spark.driver.memory": f"{memory}m",
                "spark.driver.maxResultSize": "0",  # the memory is the bound
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.local.dir": folder,
                "spark.sql.warehouse.dir": os.path.join(folder, "tables"),
                "spark.sql.catalogImplementation": "in-memory",
                "spark.sql.shuffle.partitions": str(max(8, 4 * threads)),
                "spark.ui.enabled": "false",
                "spark.ui.showConsoleProgress": "false",
                "spark.log.level": "OFF",  # a log might quote the data
            }.items()
        )
    )
    gateway = launch_gateway(conf, {"stdout": said, "stderr": said})
    return gateway, SparkContext(conf=conf, gateway=gateway)


@contextmanager
def _environment() -> Iterator[None]:
    """Give Java's start what it reads from the environment, and leave the environment as it was."""
    home = java_home()
    wanted = {"SPARK_LOCAL_IP": "127.0.0.1"} | ({"JAVA_HOME": home} if home else {})
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
