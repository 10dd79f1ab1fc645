import os

import pytest

from xopt.datasets.executors import open_executor
from xopt.nas.search.candidates import State
from xopt.nas.search.cluster_workers import ClusterWorkerPool
from xopt.nas.search.outcome_files import Recorded, Results
from xopt.nas.search.settings import Budget


def pool_on(workers, searching, folder, **changes):
    objective = searching.Formula(folder / "log", **changes)
    results = Results(folder=folder / "results", context="formula")
    return ClusterWorkerPool(Recorded(objective, results), workers)


@pytest.mark.slow
def test_candidates_train_on_the_workers_of_an_executor(searching, tmp_path):
    with open_executor(None, 2) as workers:
        pool = pool_on(workers, searching, tmp_path, seconds=0.05, ends="00001=raise")
        engine = searching.make_engine(tmp_path, None, pool=pool, budget=Budget(candidates=5))
        assert engine.run() == "the budget of 5 candidates is spent"
    rows = {row.code: row for row in engine.store.candidates()}
    assert rows["00001"].reason == "nothing to learn here"
    assert [row.state for row in rows.values()].count(State.DONE) == 4
    pids = {line.split()[2] for line in (tmp_path / "log").read_text().splitlines()}
    assert str(os.getpid()) not in pids


@pytest.mark.slow
def test_candidates_train_on_a_dask_cluster(searching, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        open_executor(cluster.scheduler_address) as workers,
    ):
        pool = pool_on(workers, searching, tmp_path, seconds=0.02)
        assert pool.size == 2
        engine = searching.make_engine(tmp_path, None, pool=pool, budget=Budget(candidates=4))
        engine.run()
    assert [row.state for row in engine.store.candidates()] == [State.DONE] * 4
