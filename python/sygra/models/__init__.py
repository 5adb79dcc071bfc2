# SPDX-License-Identifier: Apache-2.0
"""The `model` of a node."""

__all__ = ["ModelConfigBuilder"]


class ModelConfigBuilder:
    @staticmethod
    def from_name(model_name, **kwargs):
        """A model of models.yaml, by its name; keywords become its parameters. Whether there is such a model is said when
        the task is checked or run, with the nearest name: where it runs need not be where it is written."""
        if not isinstance(model_name, str) or not model_name:
            raise ValueError(f"a model's name is a text, not {model_name!r}")
        return {"name": model_name, **({"parameters": dict(kwargs)} if kwargs else {})}

    @staticmethod
    def validate_config(model_config):
        """A model as a map: it has a name, or is named as its model."""
        config = dict(model_config)
        if "name" not in config:
            if "model" not in config:
                raise ValueError("a model needs `name`, or `model`")
            config["name"] = config["model"]
        return config

    @classmethod
    def of(cls, model, **parameters):
        """Whatever a user gives for a model."""
        return cls.from_name(model, **parameters) if isinstance(model, str) else cls.validate_config(model)
