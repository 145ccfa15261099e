# Every target works from a bare clone: it makes .venv once and uses it from then on.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.ready
export TOKENIZERS_PARALLELISM := false

.PHONY: demo demo-all demo-model demo-card check test lint docs bench clean
.DEFAULT_GOAL := demo

$(SETUP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	touch $(SETUP)

demo: $(SETUP)  ## captions, maps, figures and the page of three explainers on the embedded model
	$(BIN)/python run_eval.py --run_dir runs/demo
	$(BIN)/seewhy report runs/demo

demo-all: $(SETUP)  ## twelve explainers on 64 scenes, for each of the three embedded families
	for pair in demo:qwen2_vl_2b demo_llava:llava15_7b demo_internvl:internvl25_2b; do \
	  $(BIN)/python run_eval.py --config configs/experiment/table1.yaml --limit 64 --wandb.mode disabled \
	    --vlm configs/vlm/$${pair%:*}.yaml --beside $${pair#*:}/coco_caption --explainer.archi_surgery.blocks 2 \
	    --run_dir runs/demo-all/$${pair%:*} || exit 1; \
	done
	$(BIN)/seewhy report runs/demo-all/*/

demo-model: $(SETUP)  ## rebuild the embedded models and scenes from seeds (about two hours of CPU time)
	$(BIN)/python assets/demo/build.py

demo-card: $(SETUP)  ## measure the embedded models on the held-out scenes and write their card
	$(BIN)/python assets/demo/card.py

check: $(SETUP)  ## the lint without advisories, and the fast tests: in a minute and a half on two cores
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy & $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" && wait $$!

test: $(SETUP)  ## the whole test suite, a process for each core
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(SETUP)  ## formatting, lint, types, import contracts, known advisories
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.advisories

docs: $(SETUP)  ## the guide into build/docs; a broken link, a formula that cannot be read or any warning fails
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs build/docs
	@echo guide: build/docs/index.html

bench: $(SETUP)  ## ratios of cost, each measured in one run; fails where a goal is missed
	missed=0; for script in benchmarks/bench_*.py; do $(BIN)/python $$script || missed=1; done; exit $$missed

clean:
	rm -rf .venv build runs
