"""YAML and JSON that are no specs, as they lie in the repositories of others; and specs in unusual forms."""

import json
from itertools import pairwise

from archcalc import analyze, load

REPORT = analyze(load("lenet5")).to_dict()
_LETTERS = "abcdefghijklmnopqrstuvw"

_TEXTS = {
    "tsconfig.json": '{"extends": "./tsconfig.base.json", "compilerOptions": {"strict": true}}',
    "tsconfig.base.json": '// comments are no JSON\n{"compilerOptions": {"target": "es2022", /* but common */}}',
    "tsconfig.app.json": '{"extends": "./tsconfig.json"}',
    "tsconfig.lost.json": '{"extends": "../no/such/file.json"}',
    "tsconfig.loop.json": '{"extends": "./tsconfig.loop.json"}',
    ".eslintrc.json": '{"extends": "standard", "rules": {"semi": 0}}',
    ".eslintrc.yml": "extends: [standard, prettier]\nrules: {semi: 0}\n",
    ".stylelintrc.yaml": "extends: stylelint-config-standard\n",
    "renovate.json": '{"$schema": "https://docs.renovatebot.com/renovate-schema.json", "extends": ["config:base"]}',
    "package.json": '{"name": "app", "title": "x", "source": "src/index.ts", "dependencies": {"relu": "1.0.0"}}',
    ".gitlab-ci.yml": "stages: [build]\n.base: {script: [make]}\nbuild:\n  extends: .base\n  script:\n    - make\n",
    "docker-compose.yml": "services:\n  web:\n    extends:\n      file: common.yml\n      service: web\n",
    ".github/workflows/ci.yml": "on: {push: {branches: [main]}}\njobs:\n  a: {runs-on: x, steps: [{uses: a/b@v1}]}\n",
    ".pre-commit-config.yaml": "repos:\n  - repo: local\n    hooks: [{id: archcalc-check}]\n",
    "k8s/list.yaml": "apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: Service, metadata: {name: a}}\n",
    "k8s/several.yaml": "---\napiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: Service\n",
    "k8s/chart.yaml": "kind: {{ .Values.kind }}\n{{- if .Values.layers }}\nlayers: {{ .Values.layers }}\n{{- end }}\n",
    "openapi.yaml": "openapi: 3.1.0\ninfo: {title: t}\npaths:\n  /layers: {get: {responses: {'200': {}}}}\n",
    "cloudformation.yaml": "Resources:\n  F:\n    Layers: [!Ref Layer, !Sub '${A}']\n    Name: !GetAtt [A, B]\n",
    "mkdocs.yml": "site_name: x\nmarkdown_extensions:\n  - a: {b: !!python/name:pymdownx.c }\n",
    "serverless.yml": "service: x\nlayers:\n  tools: {path: tools}\nfunctions: {a: {layers: [b]}}\n",
    "playbook.yml": "- hosts: all\n  vars: {width: 3}\n  tasks: [{name: x, when: true}]\n",
    "notebook.json": '{"cells": [{"cell_type": "code", "source": ["layers: [relu]"]}], "nbformat": 4}',
    "manifest.json": '{"schemaVersion": 2, "config": {}, "layers": [{"mediaType": "x", "size": 1, "digest": "y"}]}',
    "style.json": '{"version": 8, "name": "map", "sources": {}, "layers": [{"id": "a", "type": "line"}]}',
    "lottie.json": '{"v": "5.5", "layers": [{"ty": 4}, {"ty": 1}], "assets": []}',
    "keras.json": '{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {}}]}}',
    "conf/model/mlp.yaml": "name: mlp\ninput: 784\nlayers: [512, 256, 10]\n",
    "conf/model/net.yaml": "name: net\nlayers: [linear, relu]\n",
    "conf/yolo.yaml": "nc: 80\nbackbone:\n  - [-1, 1, Conv, [64, 6, 2, 2]]\nlayers: []\n",
    "conf/lora.json": '{"base": "x", "layers": ["linear", "attention"], "rank": 8}',
    "conf/typed.yaml": "input: x.csv\nlayers:\n  - {type: conv, filters: 3}\n  - {type: relu, inplace: true}\n",
    "conf/no_input.yaml": "name: net\nlayers:\n  - conv: {in: 3, out: 64, k: 3}\n  - relu\n",
    "conf/no_input.json": '{"layers": [{"dropout": {"rate": 0.5}}, {"linear": {"units": 10}}]}',
    "conf/paddings.yaml": "title: print\nlayers:\n  - pad: left\n  - slice: {from: front}\n",
    "conf/mixed.yaml": "layers:\n  - linear: 3\n  - dense: 4\n",
    "importlinter.yml": "contracts:\n  - layers: [cli, render, engine]\n",
    "reports/table.json": json.dumps(REPORT, indent=2),
    "reports/minified.json": json.dumps(REPORT, separators=(",", ":")),
    "reports/other.json": '{"schema_version": 1, "archcalc": "0.1.0", "input": [3], "layers": ["relu", {"linear": 3}]}',
    "reports/several.json": json.dumps([REPORT, REPORT]),
    "words.yaml": "layers and extends, nothing else\n",
    "list.json": '["layers", "extends"]',
    "empty.yaml": "",
    "comment.yaml": "# layers: [relu]\n",
    "cut.json": '{"input": 1, "lay',
    "tabs.yaml": "layers:\n\t- x\n",
    "bomb.yaml": "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(_LETTERS)),
    "deep.json": "[" * 500 + "]" * 500,
    "large.json": "[" + "1234567," * 600_000 + "1]",
    "many.yaml": "values:\n" + "  - 1\n" * 150_000 + "layers: [1]\n",
}
FOREIGN: dict[str, bytes] = {
    **{name: text.encode() for name, text in _TEXTS.items()},
    "binary.json": bytes(range(256)) * 8,
    "latin.yaml": "layers: Größe\n".encode("latin-1"),
    "utf16.json": '{"input": [3], "layers": ["relu"]}'.encode("utf-16"),
    "random.yml": bytes((i * i * 31 + 7 * i) % 251 + 1 for i in range(5000)),
}

ODD_SPECS = {
    "minified.json": '{"input":[9],"layers":[{"linear":WIDTH}]}',
    "indented.json": '{\n  "input": [9],\n  "layers": [\n    {"linear": WIDTH}\n  ]\n}\n',
    "flow.yaml": "{input: [9], layers: [{linear: WIDTH}]}",
    "quoted.yaml": "'input': [9]\n\"layers\":\n  - linear: WIDTH\n",
    "escaped.json": '{"\\u0069nput": [9], "lay\\u0065rs": [{"linear": WIDTH}]}',
    "capitals.YAML": "input: [9]\nlayers:\n  - linear: WIDTH\n",
    "Capitals.Json": '{"input": [9], "layers": [{"linear": WIDTH}]}',
    "mark.yml": "\ufeffinput: [9]\r\nlayers:\r\n  - linear: WIDTH\r\n",
    "question.yaml": "? input\n: [9]\n? layers\n: [{linear: WIDTH}]\n",
    "header.yaml": "%YAML 1.2\n---\ninput: [9]\nlayers: [{linear: WIDTH}]\n...\n",
    "indent.yaml": "   input: [9]\n   layers: [{linear: WIDTH}]\n",
    "block.yaml": "input: [9]\nblocks: {mine: {layers: [{linear: WIDTH}]}}\nlayers: [mine]\n",
}
"""Specs with one linear layer, whose width WIDTH stands for."""

BROKEN_SPECS = {
    "unknown key": "inptus: 1\ninput: [9]\nlayers: [{linear: 3}]\n",
    "unknown kinds": "input: [9]\nlayers: [{linaer: 3}]\n",
    "no input": "layers: [{linear: 3}]\n",
    "no layers": "input: [9]\nlayers:\n",
    "mapping of layers": "input: [9]\nlayers: {linear: 3}\n",
    "bracket": "input: [9]\nlayers: [{linear: 3}\n",
    "bracket in JSON": '{\n  "input": [9],\n  "layers": [{"linear": 3}\n}\n',
    "two documents": "input: [9]\nlayers: [{linear: 3}]\n---\ninput: [9]\n",
    "tag": "input: !!seq [9]\nlayers: [{linear: 3}]\n",
    "unknown base": "extends: resnet5\nlayers: [{linear: 3}]\n",
    "unknown key beside a base": "extends: resnet50\nreplaces: {fc: []}\n",
}
"""What is meant as a spec, and none."""
