"""After training: a stored model, scores of rows with raw ids, the best items for a user, export.

>>> import tempfile
>>> from mamdr_jax import configure, experiment
>>> small = {"data.sizes": (120, 90), "data.features": "ids", "batch_size": 32, "epochs": 1}
>>> config = configure.vary(configure.make("synthetic", "mlp", "alternate"), small)
>>> with tempfile.TemporaryDirectory() as workdir:
...   result = experiment.run(config, workdir)
...   model = load(f"{workdir}/model")
>>> model.domains, model.score(user=[3, 4], item=[1, 1], domain="D1").shape
(('D1', 'D2'), (2,))
"""

from mamdr_jax.serve.lists import recommend_file
from mamdr_jax.serve.model import Model, load
from mamdr_jax.serve.score import score_file

__all__ = ["Model", "load", "recommend_file", "score_file"]
