"""Tests mirror the tree: `runtime/core.py` is tested by `tests/runtime/test_core.py`."""

# Modules without a test file of their own, each with its reason.
WITHOUT: dict[str, str] = {
    "wire/clients.py": "a part of messages.py: test_messages.py and test_schema.py go through all",
    "wire/down.py": "a part of messages.py: test_messages.py and test_schema.py go through all",
    "wire/parcels.py": "a part of messages.py: test_messages.py and test_schema.py go through all",
    "wire/records.py": "a part of messages.py: test_messages.py and test_schema.py go through all",
    "wire/shapes.py": "a part of messages.py: test_messages.py and test_schema.py go through all",
    "wire/up.py": "a part of messages.py: test_messages.py and test_schema.py go through all",
    "cli/demo_story.py": "tests/cli/test_demo.py runs it whole, on real processes",
    "cli/demo_live.py": "tests/cli/test_demo.py runs it whole, on real processes",
    "cli/image_texts.py": "texts that test_image_root.py writes, and test_image.py starts in QEMU",
    "kernels/golden_models.py": "the models that test_models.py and test_portable.py run on",
    "kernels/model_text.py": "how plans name models: test_models.py reads and writes such plans",
    "kernels/reference_rows.py": "an oracle: test_channels.py holds the kernels against it",
    "kernels/user_new.py": "tests/cli/test_kernel.py writes both templates and checks them",
    "kernels/user_source.py": "test_users.py compiles with it, test_user_check.py sees it refuse",
    "kernels/user_try.py": "tests/cli/test_kernel.py and test_users.py run it on boards and here",
    "kernels/emulate.py": "test_users.py runs a kernel on emulated boards with it",
    "kernels/registry_rows.py": "a part of the one table that test_registry.py goes through",
    "kernels/registry_samples.py": "a part of the one table that test_registry.py goes through",
    "kernels/registry_spectral.py": "a part of the one table that test_registry.py goes through",
}


def wanted(module):
    inner = module.path.with_suffix("").parts[1:]
    return f"tests/{module.package}/test_{'_'.join(inner)}.py"


def test_every_module_has_its_test_file(tree):
    files = {str(path) for path in tree.files}
    missing = [
        f"{module.path}: no {wanted(module)}"
        for module in tree.modules
        if module.path.name not in {"__init__.py", "__main__.py"}
        and str(module.path) not in WITHOUT
        and wanted(module) not in files
    ]
    assert not missing, "\n".join(missing)


def test_reasons_are_needed(tree):
    files = {str(path) for path in tree.files}
    modules = {str(module.path): module for module in tree.modules}
    for path, reason in WITHOUT.items():
        assert reason
        assert path in modules, f"{path} is gone"
        assert wanted(modules[path]) not in files, f"{path} has its test file now"
