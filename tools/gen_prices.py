#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes src/config/prices_builtin.h from a price list of LiteLLM (model_prices_and_context_window.json of its package or
repository), which says for each model where its provider publishes the price.

    tools/gen_prices.py FILE VERSION DATE > src/config/prices_builtin.h

Only facts are taken: a model's name as its provider's API knows it, and USD for 1,000,000 tokens in and out. Models that are
priced in another way too (audio, images, fine-tuned ones) are left out, and so are those that cost nothing.
"""
import json
import sys

PROVIDERS = {  # LiteLLM's name, the page on which the provider publishes its prices
    "openai": "https://developers.openai.com/api/docs/pricing",
    "anthropic": "https://platform.claude.com/docs/en/about-claude/pricing",
    "deepseek": "https://api-docs.deepseek.com/quick_start/pricing",
    "gemini": "https://ai.google.dev/gemini-api/docs/pricing",
    "mistral": "https://mistral.ai/pricing",
}
OTHER = ("ft:", "audio", "realtime", "search", "computer-use", "deep-research", "tts", "image", "lyria", "robotics", "exp", "omni",
         "cyber", "rosalind", "daybreak", "voxtral", "vibe", "labs-", "law", "codestral-mamba", "customtools", "live")


def rows(prices):
    for name, facts in prices.items():
        provider, per_token = facts.get("litellm_provider"), facts.get("input_cost_per_token")
        out = facts.get("output_cost_per_token")
        if provider not in PROVIDERS or facts.get("mode") not in ("chat", "responses") or not per_token or not out:
            continue
        plain = name.removeprefix(provider + "/")
        if "/" in plain or any(word in plain for word in OTHER):
            continue
        yield provider, plain, round(per_token * 1e6, 6), round(out * 1e6, 6)


def main():
    path, version, date = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        found = sorted(set(rows(json.load(file))), key=lambda row: (list(PROVIDERS).index(row[0]), row[1]))
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by tools/gen_prices.py: public list prices of text models, USD for 1,000,000 tokens in and out, as recorded by")
    print(f" * LiteLLM {version}. Their providers publish them at:")
    for page in PROVIDERS.values():
        print(f" *   {page}")
    print(" */")
    print(f'#define SG_PRICES_DATE "{date}"')
    print("#define SG_PRICES_TABLE(X) \\")
    names = set()
    lines = [f'    X("{name}", {per_in:g}, {per_out:g})' for _, name, per_in, per_out in found
             if not (name in names or names.add(name))]
    print(" \\\n".join(lines))


if __name__ == "__main__":
    main()
