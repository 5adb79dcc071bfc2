/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that every task can name. The aliases, types and parameters are those of the reference's models.yaml
 * (facts that its task folders depend on); addresses and tokens come from SYGRA_<NAME>_URL and SYGRA_<NAME>_TOKEN.
 * `smollm2` is ours: the demo model, whose file the module `local` finds by itself. */
#include "config/models.h"

/* clang-format off: one entry a line */
const char sg_models_builtin[] =
    "smollm2: {model_type: llama, parameters: {}}\n"
    /* chat endpoints of vLLM */
    "mixtral_instruct_8x22b: {model_type: vllm, parameters: {max_tokens: 1024, temperature: 1.0, stop: [</s>, "
    "'[INST]']}}\n"
    "qwen_vl_72b: {model_type: vllm, parameters: {max_tokens: 2048, temperature: 1.0}}\n"
    "qwen3_32b: {model_type: vllm, model_serving_name: qwen3_32b, parameters: {max_tokens: 2048, temperature: 0}}\n"
    "qwq_32b: {model_type: vllm, parameters: {temperature: 0.15, max_tokens: 128000, reasoning_effort: high,\n"
    "    stop: ['<|endoftext|>', '<|im_end|>', '<|eod_id|>']}}\n"
    "qwen_2.5_32b_vl: {model_type: vllm, model_serving_name: qwen_2.5_32b_vl, parameters: {temperature: 0, "
    "max_tokens: 5000,\n"
    "    stop: ['<|endoftext|>', '<|im_end|>', '<|eod_id|>']}}\n"
    "gpt-oss-120b: {model_type: vllm, parameters: {temperature: 0.15, max_tokens: 128000}}\n"
    "gpt-oss-20b: {model_type: vllm, parameters: {temperature: 0.15, max_tokens: 128000}}\n"
    "apriel_1p6_15b_thinker: {model_type: vllm, model_serving_name: Apriel-1p6-15B-Thinker,\n"
    "    parameters: {temperature: 0.0, max_tokens: 150000, stop: ['<|end|>', '[END FINAL RESPONSE]']}}\n"
    /* Azure OpenAI */
    "gpt4: {model_type: azure_openai, model: gpt-4-32k, api_version: 2024-05-01-preview,\n"
    "    parameters: {max_tokens: 500, temperature: 1.0}}\n"
    "gpt-4o: {model_type: azure_openai, model: gpt-4o, api_version: 2024-02-15-preview,\n"
    "    parameters: {max_tokens: 500, temperature: 1.0}}\n"
    "gpt-4o-mini: {model_type: azure_openai, model: gpt-4o-mini, api_version: 2024-08-01-preview,\n"
    "    parameters: {max_tokens: 5000, temperature: 0.0001}}\n"
    "openai_gpt41: {model_type: azure_openai, model: gpt-4.1, api_version: 2024-02-15-preview,\n"
    "    parameters: {max_tokens: 16000, temperature: 0.1}}\n"
    "gpt-5: {model_type: azure_openai, model: gpt-5, api_version: 2024-02-15-preview,\n"
    "    parameters: {max_completion_tokens: 5000, temperature: 1, reasoning_effort: high}}\n"
    "gpt-audio: {model_type: azure_openai, model: gpt-4o-audio-preview, api_version: 2025-01-01-preview,\n"
    "    parameters: {max_tokens: 16240, temperature: 1.0}}\n"
    "tts_openai: {model_type: azure_openai, model: tts, output_type: audio, api_version: 2025-03-01-preview,\n"
    "    parameters: {audio: {voice: alloy, response_format: wav}}}\n"
    "transcribe: {model_type: azure_openai, model: gpt-4o-transcribe, input_type: audio, api_version: "
    "2025-03-01-preview,\n"
    "    parameters: {language: en, response_format: json, temperature: 0}}\n"
    "gpt_image_1: {model_type: azure_openai, model: gpt-image-1, output_type: image, api_version: "
    "2025-04-01-preview,\n"
    "    image_capabilities: {prompt_char_limit: 32000, max_edit_images: 16}, parameters: {size: 1024x1024, quality: "
    "high}}\n"
    /* others */
    "mixtral8x7b: {model_type: tgi, hf_chat_template_model_id: meta-math/MetaMath-Mistral-7B,\n"
    "    parameters: {max_new_tokens: 500, temperature: 1.0}}\n"
    "mistralai: {model_type: mistralai, model: azureai, parameters: {max_tokens: 500, temperature: 1.0}}\n"
    "qwen3_1.7b: {model_type: ollama, post_process: sygra.core.models.model_postprocessor.RemoveThinkData,\n"
    "    parameters: {temperature: 0.8}}\n"
    "gemini_2_5_pro: {model_type: vertex_ai, model: gemini-2.5-pro, parameters: {max_tokens: 5000, temperature: "
    "0.5}}\n"
    "bedrock_model: {model_type: bedrock, model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', parameters: "
    "{max_tokens: 5000}}\n"
    "eval_model: {model_type: bedrock, model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', parameters: "
    "{temperature: 0.1}}\n"
    "llama_3_1_405b_instruct: {model_type: azure, parameters: {max_tokens: 4096, temperature: 0.8}}\n"
    "claude_large: {model_type: claude_proxy, client_type: http, backend: proxy, additional_params: {thinking: "
    "{type: disabled},\n"
    "    anthropic_beta: [computer-use-2025-01-24]}, parameters: {maxTokens: 2500, temperature: 0}}\n"
    "gemini_2.5_proxy: {model_type: gemini_proxy, client_type: http, backend: proxy,\n"
    "    parameters: {maxOutputTokens: 2500, temperature: 0}}\n";
/* clang-format on */
