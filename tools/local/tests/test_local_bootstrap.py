from mailyard.local.bootstrap import uv_settings
from mailyard.local.debian import PackageTree


def test_what_pip_is_configured_with_uv_gets_too():
    pip = {
        "index-url": "https://index.test/simple",
        "cert": "/etc/ca.pem",
        "trusted-host": "index.test\nother.test",
    }
    settings = uv_settings(pip, {})
    assert settings["UV_DEFAULT_INDEX"] == "https://index.test/simple"
    assert settings["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert settings["UV_INSECURE_HOST"] == "index.test other.test"


def test_what_the_user_set_for_uv_overrides_what_is_set_for_pip():
    assert uv_settings({"cert": "/pip.pem"}, {"SSL_CERT_FILE": "/uv.pem"})["SSL_CERT_FILE"] == "/uv.pem"


def test_a_folder_of_links_that_is_missing_is_left_out_because_uv_would_fail(tmp_path):
    given = {"find-links": f"{tmp_path} /not/there https://links.test/x"}
    assert uv_settings(given, {})["UV_FIND_LINKS"] == f"{tmp_path},https://links.test/x"
    assert "UV_FIND_LINKS" not in uv_settings({"find-links": "/not/there"}, {})


def test_programs_and_libraries_of_the_tree_come_after_those_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr("sysconfig.get_config_var", {}.get)
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    environment = PackageTree(tmp_path).environment()
    assert environment["PATH"].startswith("/usr/bin:")
    assert environment["LD_LIBRARY_PATH"] == f"{tmp_path}/usr/lib/x86_64-linux-gnu"


def test_a_python_with_a_shared_library_finds_its_own_before_that_of_the_tree(tmp_path, monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr("sysconfig.get_config_var", {"Py_ENABLE_SHARED": 1, "LIBDIR": "/opt/python/lib"}.get)
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    found = PackageTree(tmp_path).environment()["LD_LIBRARY_PATH"]
    assert found == f"/opt/python/lib:{tmp_path}/usr/lib/x86_64-linux-gnu"


def test_without_a_tree_nothing_but_the_path_is_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    assert PackageTree(tmp_path / "none").environment() == {"PATH": "/usr/bin"}
