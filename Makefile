# make book   runs every chapter, compares with what is committed, renders to _build/html/index.html
# make test   checks style and types, and runs the tests
# make pdf    prints the rendered pages as one PDF, in _build/pdf
# make results  trains everything in results/ again, whatever is there, and keeps it and what the chapters give
# make clean  removes what the others made (.venv too)
#
# make book ACCEPT=1                              keeps what the chapters gave this time, to be committed
# make book ONLY=book/03-generalization.ipynb     runs this chapter alone, renders all
# make book PARAMETERS="-p runs 20"               a trial with other parameters, in _build/trial

PYTHON := .venv/bin/python
INSTALLED := .venv/installed

.PHONY: book test pdf results clean
.DELETE_ON_ERROR:
.NOTPARALLEL:  # with -j too: the tests read the pages that `book` renders

# A user's own settings for Python are not the book's; text is UTF-8 in any locale.
unexport PYTHONPATH PYTHONSAFEPATH PYTHONHOME PYTHONWARNINGS PYTHONOPTIMIZE PYTHONDONTWRITEBYTECODE
export PYTHONUTF8 := 1

book: $(INSTALLED)
	$(PYTHON) -m pipeline $(if $(filter-out 0,$(ACCEPT)),--accept) $(PARAMETERS) $(ONLY)
	$(if $(PARAMETERS),,$(PYTHON) -m pytest -q -n auto tests/test_pages.py tests/test_lab_page.py::TestBuiltLab)

test: $(INSTALLED)
	$(PYTHON) -m ruff check --no-cache --quiet .
	$(PYTHON) -m mypy --no-error-summary $(shell test -w . || echo --cache-dir=/dev/null)
	$(PYTHON) -m pytest -n auto

# The pages are rendered from the committed outputs; no chapter runs.
pdf: $(INSTALLED)
	.venv/bin/jb build . -W -n --keep-going --all -q
	$(PYTHON) -m pipeline.pdf

results: $(INSTALLED)
	$(PYTHON) -m pipeline --accept --results retrain

clean:
	rm -rf .venv _build *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find book counting pipeline tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# The stamp is newer than every list of packages, or pip runs. It is written last: a broken install starts over.
$(INSTALLED): requirements.txt pyproject.toml
	@bash pipeline/environment.sh .venv
	touch $@
