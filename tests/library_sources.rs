//! Native libraries whose sources are folders and commits of Git repositories.

use crate::natives::{NUMBER, Recipes, number};
use crate::recipe_authors::git;
use crate::support::Env;

/// Adds the recipe of a library `number` from this source, with a crate and an app for it.
fn world<'a>(env: &'a Env, source: &str) -> Recipes<'a> {
    let mut recipes = Recipes::new(env);
    recipe(&mut recipes, source);
    recipes.user("number", "number", "number");
    recipes.app("app", &["number-sys"]);
    recipes
}

fn recipe(recipes: &mut Recipes<'_>, source: &str) {
    recipes.add(
        "number",
        &format!(
            "[library]\nname = \"number\"\nversion = \"1.0.0\"\nsource = {source}\n\
             script = '''\nmkdir -p \"$out/lib/pkgconfig\"\ntest ! -e ../notes\n{NUMBER}\n\
             printf 'Name: number\\nDescription: number\\nVersion: 1\\nLibs: -L%s/lib\\n' \"$out\" \
             > \"$out/lib/pkgconfig/number.pc\"\n'''\n"
        ),
    );
}

fn write(env: &Env, name: &str, text: &str) {
    std::fs::create_dir_all(env.path(name).parent().unwrap()).unwrap();
    env.write(name, text);
}

#[test]
fn a_folder_is_a_source_as_far_as_it_is_taken() {
    let env = Env::new();
    write(&env, "z/src/answer.c", &number(7));
    write(&env, "z/notes/a", "1");
    write(&env, "z/.git/HEAD", "nothing");
    std::os::unix::fs::symlink("answer.c", env.path("z/src/number.c")).unwrap();
    let filter = "filter = { include = [\"src\", \"notes\"], exclude = [\"notes\"] }";
    let recipes = world(
        &env,
        &format!("{{ path = \"z\", folder = \"src\", {filter} }}"),
    );
    recipes.check(&[("app", "7")]);
    // What is not taken does not count.
    write(&env, "z/notes/a", "2");
    write(&env, "z/other.c", "2");
    env.run("sync").success().says("Nothing to do");
    write(&env, "z/src/answer.c", &number(8));
    recipes.check(&[("app", "8")]);
    env.run("build ./number.toml").success();
    env.run("recipe lint ./number.toml").success();
}

#[test]
fn a_folder_without_files_and_a_link_that_leads_outside() {
    let env = Env::new();
    let mut recipes = world(&env, "{ path = \"z\", filter = { include = [\"*.c\"] } }");
    write(&env, "z/readme", "");
    recipes
        .install("app")
        .fails(1)
        .says("no file of it is taken");
    std::os::unix::fs::symlink("/etc/passwd", env.path("z/number.c")).unwrap();
    recipes.install("app").fails(3).says("number.c");
    recipe(
        &mut recipes,
        "{ path = \"z\", filter = { include = [\"/z\"] } }",
    );
    recipes
        .install("app")
        .fails(2)
        .says("`/z` is not a pattern of files");
}

#[test]
fn a_commit_is_a_source() {
    let env = Env::new();
    let folder = env.path("z");
    write(&env, "z/number.c", &number(1));
    git(&folder, &["init", "--quiet"]);
    let commit = |text: &str, tag: &str| {
        write(&env, "z/number.c", text);
        git(&folder, &["add", "."]);
        git(&folder, &["commit", "--quiet", "-m", tag]);
        git(&folder, &["tag", tag]);
        git(&folder, &["rev-parse", "HEAD"])
    };
    let first = commit(&number(1), "v1.0.0");
    let source = format!(
        "{{ git = \"file://{}\", rev = \"{first}\" }}",
        folder.display()
    );
    let recipes = world(&env, &source);
    recipes.check(&[("app", "1")]);
    commit(&number(2), "v1.1.0");
    recipes.check(&[("app", "1")]);
    env.run("recipe bump ./number.toml")
        .success()
        .prints("1.1.0");
    recipes.check(&[("app", "2")]);
    assert_eq!(env.objects("-number-1.1.0").len(), 1);
}
