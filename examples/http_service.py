"""Scores and recommendations over HTTP: `python examples/http_service.py MODEL [PORT]`.

It takes `pip install 'mamdr_jax[examples]'`, or what requirements-dev.txt has.

    curl -d '{"user": [17, 3], "item": [4, 9], "domain": "D1"}' localhost:8000/score
    curl -d '{"user": 17, "domain": "D1", "top": 3}' localhost:8000/recommend

A body has the arguments of `Model.score` or `Model.recommend`. Requests are answered one after the
other, since each has all cores.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mamdr_jax import backend, serve


def service(model: serve.Model) -> Starlette:
  def score(**columns) -> dict:
    return {"probability": model.score(**columns).tolist()}

  def recommend(**asked) -> dict:
    return {name: column.tolist() for name, column in model.recommend(**asked).items()}

  def route(answer) -> Route:
    async def respond(request: Request) -> JSONResponse:
      try:
        asked = await request.json()
        if not isinstance(asked, dict):
          raise ValueError("expected an object of columns and options")
        return JSONResponse(answer(**asked))
      except (ValueError, TypeError) as error:
        return JSONResponse({"error": str(error)}, status_code=400)

    return Route(f"/{answer.__name__}", respond, methods=["POST"])

  return Starlette(routes=[route(score), route(recommend)])


if __name__ == "__main__":
  backend.keep_compiled()
  model = serve.load(sys.argv[1])
  uvicorn.run(service(model), port=int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
