"""The one family of errors, so that device software can catch them all with one clause.

XoptError
├── UsageError         the call makes no sense as written (exit code 2)
├── InputError         an image or array that cannot be classified
├── DataError          a data source, a label list or a prediction file that cannot be used
├── BundleError        a bundle that is missing, incomplete, changed or from a newer xopt
├── CheckpointError    a checkpoint that cannot be read as the architecture it claims to be
├── TrainingError      a training that cannot go on; what it has saved is intact
│   └── StoppedError   a training that was asked to stop, and has saved (exit code 143)
├── DeviceError        a device that this machine lacks, or that cannot run the graph
├── OutputError        a result that cannot be written, or that would overwrite something
│   └── BusyError      a folder that another process is at work in
├── KeyFileError       a signing key that cannot be used
├── ClusterError       workers that cannot be reached, or that were lost
├── DependencyError    an optional library that is not installed
└── GateError          a candidate that did not pass its quality gate (exit code 3)

A message states what is wrong, what was found and what to do, in one line.
"""


class XoptError(Exception):
    """Base of every error that xopt raises on purpose."""

    exit_code = 1


class UsageError(XoptError):
    """The call makes no sense as written."""

    exit_code = 2


class InputError(XoptError):
    """An image or array that cannot be classified."""


class DataError(XoptError):
    """A data source, a label list or a prediction file that cannot be used."""


class BundleError(XoptError):
    """A bundle that is missing, incomplete, changed or from a newer xopt."""


class CheckpointError(XoptError):
    """A checkpoint that cannot be read as the architecture it claims to be."""


class TrainingError(XoptError):
    """A training that cannot go on; what it has saved is intact."""


class StoppedError(TrainingError):
    """A training that was asked to stop, and has saved."""

    exit_code = 143
    """What a shell calls a process that SIGTERM ended: not done, so nothing after `&&` runs."""


class DeviceError(XoptError):
    """A device that this machine lacks, or that cannot run the graph."""


class OutputError(XoptError):
    """A result that cannot be written, or that would overwrite something."""


class BusyError(OutputError):
    """A folder that another process is at work in."""


class KeyFileError(XoptError):
    """A signing key that cannot be used: unreadable, encrypted, or of another kind than Ed25519."""


class ClusterError(XoptError):
    """Workers that cannot be reached, or that were lost."""


class DependencyError(XoptError):
    """An optional library that is not installed; the message holds the install line."""


class GateError(XoptError):
    """A candidate that did not pass its quality gate."""

    exit_code = 3
